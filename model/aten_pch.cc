// Carries the precompiled ATen header that every other target reuses.
