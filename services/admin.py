"""Services on the console: their lists, and the pages about them."""

from services.console import access as access
from services.console import batch_list as batch_list
from services.console import batch_page as batch_page
from services.console import batch_start as batch_start
from services.console import batch_storing as batch_storing
from services.console import capacity as capacity
from services.console import commands as commands
from services.console import comparing as comparing
from services.console import dashboard as dashboard
from services.console import deleting as deleting
from services.console import diagnostics as diagnostics
from services.console import former_addresses as former_addresses
from services.console import node_pages as node_pages
from services.console import pool as pool
from services.console import services_list as services_list
from services.console import trying as trying
from services.console import uploads as uploads
from services.console import version_page as version_page
from services.console.publish import choosing as choosing
from services.console.publish import drafting as drafting
from services.console.publish import finishing as finishing
