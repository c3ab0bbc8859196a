"""The surface of what was photographed: meshing, cleaning, unwrapping, texturing, evidence. Arrays in, arrays out."""
