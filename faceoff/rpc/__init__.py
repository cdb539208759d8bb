"""The wire: the only part of the library that knows gRPC."""
