"""Says in words what a block event asks for: the platform's own parser.start payload, and one dependency."""

import humanize

CHAINS = {1: "Ethereum", 10: "Optimism", 52: "Sui", 137: "Polygon"}


def handler(event):
    parameters = event["parameters"]
    block = int(parameters["blockId"])
    logs = parameters.get("logIndices", [])
    return {
        "contextId": event["contextId"],
        "block": block,
        "chain": CHAINS.get(parameters["blockchainType"], f"chain {parameters['blockchainType']}"),
        "summary": f"block {humanize.intcomma(block)} with {humanize.apnumber(len(logs))} log(s)",
        "blob": parameters["urlForBlob"],
    }
