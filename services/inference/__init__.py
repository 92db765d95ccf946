"""From a file to a definition that can be published (console, Publish).

`propose` looks at staged uploads, `propose_parameters` at pasted text. Objects of Python and R are
read by a shell of a compute node alone.
"""

from services.inference.proposal import Column as Column
from services.inference.proposal import Proposal as Proposal
from services.inference.proposing import propose as propose
from services.inference.tables import propose_parameters as propose_parameters
from services.staged import StagedFile as StagedFile
