"""`python -m service.openapi > docs/openapi.json`."""

import sys

from service import openapi

sys.stdout.buffer.write(openapi.text())
