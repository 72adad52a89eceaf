"""The providers' documented APIs as a real HTTP server, with a ledger and scripted faults; see README.md."""
