"""The builder's errors. Their texts follow Kaniko's: the monitor classifies builds by the last lines."""


class BuildError(Exception):
    """The build cannot go on; the text is the last line of the log, as Kaniko would write it."""


class UsageError(Exception):
    """The command line is wrong."""


class DockerfileError(BuildError):
    """The Dockerfile is wrong, or asks for something that the local builder does not do."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(
            f"error building image: parsing dockerfile: dockerfile parse error on line {line}: {problem}"
        )
        self.line = line


class StageError(BuildError):
    """A step of the build failed."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"error building image: error building stage: {problem}")


class Terminated(BaseException):
    """SIGTERM or SIGINT arrived; not an Exception, so that nothing on the way up takes it for a failure."""
