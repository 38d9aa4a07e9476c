"""Packets nobody should send, from both sides, and what must hold whatever they are."""
