"""A server of the files of a folder over HTTP, of which parts can be asked for. Use: ``serve.py HOST PORT FOLDER``."""

import sys

from aiohttp import web


def main(arguments: list[str]) -> None:
    """Serve until killed."""
    host, port, folder = arguments
    application = web.Application()
    application.router.add_static("/", folder)
    web.run_app(application, host=host, port=int(port), print=None)


if __name__ == "__main__":
    main(sys.argv[1:])
