"""A conformance harness for OpenADR 2.0b: tests anyone's VTN or VEN over the wire. It imports nothing of openadr_ra."""
