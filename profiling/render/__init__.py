"""What the verbs draw with: consoles and numbers as printed, the look of pictures, flame graphs. Imports no verb."""
