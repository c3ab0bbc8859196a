"""From an oriented point cloud to a textured, evidence-carrying mesh. Arrays in, arrays out."""
