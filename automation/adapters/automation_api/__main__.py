"""A worker process: started by `workers`, with the descriptor of its connection."""

import sys

from automation.adapters.automation_api.worker import main

main(int(sys.argv[1]))
