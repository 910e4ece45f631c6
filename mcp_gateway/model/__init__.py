"""The shared vocabulary: frozen values and ids. Standard library only; imports nothing of ours."""
