"""From posed photos to an oriented point cloud: view choice, depth, agreement, sky, merging. Arrays in, arrays out."""
