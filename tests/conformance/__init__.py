"""What others' suites say of the gateway; run by `make conformance` and `make authlab`, not by pytest."""
