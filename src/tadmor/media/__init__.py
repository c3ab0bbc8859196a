"""Reading what people upload and writing what Tadmor made: photographs and 3D formats. Knows nothing of Django."""
