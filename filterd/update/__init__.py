"""The nightly update: fetch, judge, compile, probe, publish. Nothing else on the box asks the Internet for files."""
