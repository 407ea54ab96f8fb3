"""What measurements and drills share: connections held open, messages to send, a database of their own."""
