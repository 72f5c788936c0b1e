"""Evaluates one flag for one user. PENNON_URL and PENNON_KEY configure the server.

PENNON_URL=http://127.0.0.1:4400 PENNON_KEY=pennon_server_… python examples/script.py ada
"""

import sys

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from pennon_openfeature import PennonProvider


def main() -> None:
    try:
        api.set_provider_and_wait(PennonProvider())
    except OpenFeatureError as error:
        print(f"no flags, so the default value applies: {error.error_message}", file=sys.stderr)
    user = EvaluationContext(sys.argv[1] if len(sys.argv) > 1 else "ada", {"plan": "pro"})
    details = api.get_client().get_boolean_details("new-checkout", False, user)
    print(f"new-checkout is {'on' if details.value else 'off'} ({details.reason})")
    api.shutdown()


if __name__ == "__main__":
    main()
