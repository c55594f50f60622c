"""The Yee grid that both engines share: edges, materials, coils on edges, incident fields, convolution."""
