"""What a governed call costs, measured side by side with the direct call and with other proxies."""
