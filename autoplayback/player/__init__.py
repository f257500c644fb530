"""The Interceptor that answers: calls never reach the world, their results come from the tape."""
