"""ICE credentials that are not of aioice's own choice."""


def set_local(connection, username, password):
    """aioice 0.8 has attributes for them, 0.10 takes them only when the
    connection is made, which may be before they are known."""
    for name, value in (("local_username", username), ("local_password", password)):
        hidden = f"_{name}"
        setattr(connection, hidden if hasattr(connection, hidden) else name, value)
