"""What a function did: operations, nodes, the flat graph, tracing, simplification and the interpreter."""
