"""Routes of this app, mounted at the root."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from nodes.api.compute_nodes import ComputeNodes
from nodes.api.execution import (
    SessionCancel,
    SessionConsoleOutput,
    SessionExecute,
    SessionHistory,
)
from nodes.api.files import SessionFile, SessionFiles
from nodes.api.hanging_up import noticing_hang_up
from nodes.api.node_states import ComputeNodeDrain, ComputeNodeResume, ComputeNodeStates
from nodes.api.sessions import SessionById, SessionForce, Sessions
from nodes.api.snapshots import SessionLoadSnapshot, SessionSnapshot, SnapshotById, Snapshots
from nodes.api.status import StatusView
from nodes.api.workspace import Workspace, WorkspaceObject


class RestConverter(StringConverter):
    """The rest of the path, slashes and line breaks included.

    With it names that no object can have get as far as being refused with a 400.
    """

    regex = "(?s:.+)"


register_converter(RestConverter, "rest")

urlpatterns = [
    # /sessions
    path("sessions", Sessions.as_view(), name="sessions"),
    path("sessions/<str:session_id>", SessionById.as_view(), name="session"),
    path("sessions/<str:session_id>/force", SessionForce.as_view(), name="session-force"),
    path(
        "sessions/<str:session_id>/execute",
        noticing_hang_up(SessionExecute.as_view()),
        name="session-execute",
    ),
    path(
        "sessions/<str:session_id>/console-output",
        SessionConsoleOutput.as_view(),
        name="session-console-output",
    ),
    path("sessions/<str:session_id>/history", SessionHistory.as_view(), name="session-history"),
    path("sessions/<str:session_id>/cancel", SessionCancel.as_view(), name="session-cancel"),
    path("sessions/<str:session_id>/files", SessionFiles.as_view(), name="session-files"),
    path(
        "sessions/<str:session_id>/files/<rest:file_name>",
        SessionFile.as_view(),
        name="session-file",
    ),
    path("sessions/<str:session_id>/workspace", Workspace.as_view(), name="workspace"),
    path(
        "sessions/<str:session_id>/workspace/<rest:object_name>",
        WorkspaceObject.as_view(),
        name="workspace-object",
    ),
    path(
        "sessions/<str:session_id>/snapshot",
        noticing_hang_up(SessionSnapshot.as_view()),
        name="session-snapshot",
    ),
    path(
        "sessions/<str:session_id>/loadsnapshot/<str:snapshot_id>",
        SessionLoadSnapshot.as_view(),
        name="session-loadsnapshot",
    ),
    # /status
    path("status", StatusView.as_view(), name="status"),
    # /computenodes
    path("computenodes", ComputeNodes.as_view(), name="compute-nodes"),
    path("computenodes/states", ComputeNodeStates.as_view(), name="compute-node-states"),
    path("computenodes/drain", ComputeNodeDrain.as_view(), name="compute-nodes-drain"),
    path("computenodes/resume", ComputeNodeResume.as_view(), name="compute-nodes-resume"),
    # /snapshots
    path("snapshots", Snapshots.as_view(), name="snapshots"),
    path("snapshots/<str:snapshot_id>", SnapshotById.as_view(), name="snapshot"),
]
