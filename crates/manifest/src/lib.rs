//! YAML text and the objects in it: one parse gives values and the span of every node.
