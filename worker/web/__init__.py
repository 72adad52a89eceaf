"""The HTTP door: what upstreams do on the streams, for those that can't reach the broker. It holds no truth."""
