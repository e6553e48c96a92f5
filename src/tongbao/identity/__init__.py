"""Who is acting: principals, credentials, sessions. Passkeys, devices and real-name levels join in part 3."""
