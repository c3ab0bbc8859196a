"""From posed photos to an oriented point cloud: views, depth, agreement, sky, merging. Arrays in, arrays out."""
