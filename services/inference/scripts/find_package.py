"""Whether the package whose name is in `file_name` can be imported; runs in a shell of a node."""

import importlib.util
import json

report = json.dumps({"found": importlib.util.find_spec(file_name) is not None})
