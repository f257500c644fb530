"""Finds declared functions, wraps them wherever they are held, and tells one Interceptor of every call."""
