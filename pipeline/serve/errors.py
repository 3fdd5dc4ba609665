"""What a request is refused with. Imports nothing heavy."""


class ApiError(Exception):
    """A request that cannot be answered: the HTTP status, and the message for the key `error`."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
        self.message = message
