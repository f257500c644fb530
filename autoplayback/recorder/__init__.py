"""The Interceptor that records: calls go through untouched, and what they gave is noted."""
