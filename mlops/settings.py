"""Settings of the whole project, read from `MLOPS_*` variables; unset means one box on SQLite."""

from pathlib import Path

from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.entra.configuration import entra_settings
from mlops.accounts.sign_in.ldap_config import ldap_settings
from mlops.console import theme
from mlops.cors import checked_origins
from mlops.database import database_from
from mlops.env import env_bool, env_file, env_int, env_list, env_path, env_str
from mlops.secrets import read_or_create_secret

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env_path("MLOPS_DATA_DIR", BASE_DIR / "var")
SECRETS_DIR = DATA_DIR / "secrets"
LOG_DIR = DATA_DIR / "logs"

# Addresses of this machine's two nodes.
HOST = env_str("MLOPS_HOST", "127.0.0.1")
WEB_PORT = env_int("MLOPS_PORT", 12800, minimum=1)
COMPUTE_PORT = env_int("MLOPS_COMPUTE_PORT", 12805, minimum=1)
# Where workers call a web node for diagnostics and capacity evaluation; unset: on this machine.
WEB_URL = env_str("MLOPS_WEB_URL").rstrip("/")
# Addresses of reverse proxies whose X-Forwarded-* headers are believed.
TRUSTED_PROXIES = env_list("MLOPS_TRUSTED_PROXIES")

# Secrets: generated into the data directory unless given.
SECRET_KEY = env_str("MLOPS_SECRET_KEY") or read_or_create_secret(SECRETS_DIR / "secret_key")
CLUSTER_KEY = env_str("MLOPS_CLUSTER_KEY") or read_or_create_secret(SECRETS_DIR / "cluster_key")
# Compute nodes accept it too, while web nodes go over from it to the other one.
FORMER_CLUSTER_KEY = env_str("MLOPS_FORMER_CLUSTER_KEY")
TOKEN_SIGNING_KEY_FILE = env_path(
    "MLOPS_TOKEN_SIGNING_KEY_FILE", SECRETS_DIR / "token_signing_key.pem"
)

# Whoever shows it may read the metrics of both nodes, and nothing else.
METRICS_TOKEN = env_str("MLOPS_METRICS_TOKEN")

# TLS of the web node; nodes/management/commands/computenode.py reads that of the compute node.
TLS_WEB_CERTIFICATE = env_file("MLOPS_TLS_WEB_CERTIFICATE")
TLS_WEB_KEY = env_file("MLOPS_TLS_WEB_KEY")
TLS_WEB_PASSWORD_FILE = env_file("MLOPS_TLS_WEB_PASSWORD_FILE")
# How web nodes and workers know compute nodes, and what they show to them.
TLS_COMPUTE_CA = env_file("MLOPS_TLS_COMPUTE_CA")
TLS_CLIENT_CERTIFICATE = env_file("MLOPS_TLS_CLIENT_CERTIFICATE")
TLS_CLIENT_KEY = env_file("MLOPS_TLS_CLIENT_KEY")
TLS_CLIENT_PASSWORD_FILE = env_file("MLOPS_TLS_CLIENT_PASSWORD_FILE")

DEBUG = env_bool("MLOPS_DEBUG", False)
ALLOWED_HOSTS = env_list("MLOPS_ALLOWED_HOSTS", ["*"])
# Origins whose pages may call the API from a browser.
CORS_ORIGINS = checked_origins(env_list("MLOPS_CORS_ORIGINS"))
CSRF_TRUSTED_ORIGINS = env_list("MLOPS_TRUSTED_ORIGINS")

# Browsers. What is set here holds where the web node, or a proxy before it, speaks TLS.
HTTPS_ONLY = env_bool("MLOPS_HTTPS_ONLY", TLS_WEB_CERTIFICATE is not None)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
if HTTPS_ONLY:  # such names are refused by browsers unless this very host has set them over TLS
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
CSRF_COOKIE_HTTPONLY = True  # pages carry the token
CSRF_FAILURE_VIEW = "mlops.console.refusals.csrf_failure"
SECURE_SSL_REDIRECT = HTTPS_ONLY
# Pages only: a call that came in the clear has shown its token, and its client would not follow.
SECURE_REDIRECT_EXEMPT = ["^(?!$|console(/|$)|docs$)"]
SECURE_HSTS_SECONDS = env_int("MLOPS_HSTS_SECONDS", 365 * 24 * 3600) if HTTPS_ONLY else 0
# Whether names below this host's have TLS, or browsers should know by heart, is not ours to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SILENCED_SYSTEM_CHECKS += ["security.W009"]  # mlops.W006 looks at the length of all secrets
SESSION_ENGINE = "mlops.accounts.session_store"
SESSION_COOKIE_AGE = env_int("MLOPS_BROWSER_IDLE_SECONDS", 8 * 3600, minimum=60)
BROWSER_SESSION_SECONDS = env_int("MLOPS_BROWSER_SESSION_SECONDS", 24 * 3600, minimum=60)
SESSION_EXPIRE_AT_BROWSER_CLOSE = True

INSTALLED_APPS = [
    "mlops.console",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "mlops.accounts",
    "mlops.blobs",
    "mlops.jobs",
    "mlops.onebox",
    "nodes",
    "services",
]

MIDDLEWARE = [
    "mlops.chunked_bodies.chunked_bodies",
    "mlops.accounts.serving.serving",
    "django.middleware.security.SecurityMiddleware",
    "mlops.console.static_files.StaticFilesMiddleware",
    "mlops.page_headers.page_headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "mlops.accounts.browser_sessions.browser_sessions",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "mlops.accounts.sign_in.sessions.up_to_date_sessions",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "mlops.urls"
ASGI_APPLICATION = "mlops.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": database_from(
        env_str("MLOPS_DATABASE_URL"),
        data_dir=DATA_DIR,
        max_connections=env_int("MLOPS_DATABASE_CONNECTIONS", 40, minimum=4),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Accounts.
AUTH_USER_MODEL = "accounts.User"
LDAP = ldap_settings()
ENTRA = entra_settings()
SIGN_IN_METHOD = methods.chosen(ldap=LDAP is not None, entra=ENTRA is not None)
AUTHENTICATION_BACKENDS = [
    "mlops.accounts.sign_in.local.AccountBackend",
    *(["mlops.accounts.sign_in.ldap.LdapBackend"] if LDAP else []),
]
# What a directory said of somebody counts for so long.
ROLE_CACHE_SECONDS = env_int("MLOPS_ROLE_CACHE_MINUTES", 60, minimum=1) * 60
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "mlops.accounts.password_rule.PasswordRuleValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "console:login"
LOGIN_REDIRECT_URL = "console:index"
LOGOUT_REDIRECT_URL = "console:login"
UNFOLD = theme.UNFOLD
ACCESS_TOKEN_SECONDS = 3600
REFRESH_TOKEN_SECONDS = 14 * 24 * 3600
TOKEN_CHAIN_SECONDS = 90 * 24 * 3600
# Group names that grant each role; with none declared everybody signed in is a Contributor.
ROLE_GROUPS = {
    "Owner": env_list("MLOPS_OWNER_GROUPS"),
    "Contributor": env_list("MLOPS_CONTRIBUTOR_GROUPS"),
    "Reader": env_list("MLOPS_READER_GROUPS"),
}

# For so long entries of the audit trail are kept; 0: for ever.
AUDIT_RETENTION_DAYS = env_int("MLOPS_AUDIT_RETENTION_DAYS", 730)

# Recorded scoring and load of nodes: for so long by the minute, and by the hour.
USAGE_MINUTES_KEPT_HOURS = env_int("MLOPS_USAGE_MINUTES_KEPT_HOURS", 48, minimum=25)
USAGE_HOURS_KEPT_DAYS = env_int("MLOPS_USAGE_HOURS_KEPT_DAYS", 90, minimum=1)

# Time and language.
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False

# Static files: served by the web node itself, found in the packages, nothing to collect.
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Bodies: the ASGI layer refuses what is too large before Django reads it (mlops/body_limit.py).
DATA_UPLOAD_MAX_MEMORY_SIZE = None
MAX_JSON_BYTES = env_int("MLOPS_MAX_JSON_BYTES", 256 * 1024 * 1024, minimum=1)
MAX_UPLOAD_BYTES = env_int("MLOPS_MAX_UPLOAD_BYTES", 4 * 1024**3, minimum=1)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mlops.accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["mlops.accounts.permissions.IsReader"],
    "DEFAULT_PARSER_CLASSES": ["mlops.rest.LenientJSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "mlops.rest.CompactJSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "mlops.rest.NeverRefuseNegotiation",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "mlops.rest.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "mlops",
    "DESCRIPTION": "Publish R and Python code and models as versioned web services, and call them.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "nodes.api.compute_nodes.describe_body_of_delete",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# A node that is told to stop finishes what it has begun, for so long.
STOP_SECONDS = env_int("MLOPS_STOP_SECONDS", 30, minimum=1)

# Web node to compute node.
NODE_CONNECT_SECONDS = env_int("MLOPS_NODE_CONNECT_SECONDS", 5, minimum=1)
NODE_REQUEST_SECONDS = env_int("MLOPS_NODE_REQUEST_SECONDS", 3600, minimum=1)
DEDICATED_POOL_MAX_SIZE = env_int("MLOPS_DEDICATED_POOL_MAX_SIZE", 80, minimum=1)
# The check of a realtime model before it is published, a process of its own.
MODEL_CHECK_SECONDS = env_int("MLOPS_MODEL_CHECK_SECONDS", 120, minimum=1)
MODEL_CHECK_MEMORY_MB = env_int("MLOPS_MODEL_CHECK_MEMORY_MB", 4096, minimum=256)

# Sessions and snapshots. What executes says that it is in use about every minute.
SESSION_IDLE_SECONDS = env_int("MLOPS_SESSION_IDLE_SECONDS", 24 * 3600, minimum=120)
SESSIONS_PER_USER = env_int("MLOPS_SESSIONS_PER_USER", 40, minimum=1)
SNAPSHOT_MAX_BYTES = env_int("MLOPS_SNAPSHOT_MAX_BYTES", 4 * 1024**3, minimum=1)
SNAPSHOTS_PER_USER = env_int("MLOPS_SNAPSHOTS_PER_USER", 1000, minimum=1)
SNAPSHOT_BYTES_PER_USER = env_int("MLOPS_SNAPSHOT_BYTES_PER_USER", 32 * 1024**3, minimum=1)

# Files that are uploaded on the console to publish from them.
UPLOADS_PER_USER = env_int("MLOPS_UPLOADS_PER_USER", 200, minimum=1)
UPLOAD_BYTES_PER_USER = env_int("MLOPS_UPLOAD_BYTES_PER_USER", 16 * 1024**3, minimum=1)
# The look into a model file, and a test run before it is published.
INSPECTION_SECONDS = env_int("MLOPS_INSPECTION_SECONDS", 120, minimum=1)
TEST_RUN_SECONDS = env_int("MLOPS_TEST_RUN_SECONDS", 600, minimum=1)

# Batches.
BATCH_MAX_ITEMS = env_int("MLOPS_BATCH_MAX_ITEMS", 100_000, minimum=1)
MAX_THREADS_PER_BATCH = env_int("MLOPS_MAX_THREADS_PER_BATCH", 100, minimum=1)
BATCH_ITEM_SECONDS = env_int("MLOPS_BATCH_ITEM_SECONDS", 3600, minimum=1)
BATCH_LEASE_SECONDS = env_int("MLOPS_BATCH_LEASE_SECONDS", 600, minimum=10)
BATCH_RETENTION_SECONDS = env_int("MLOPS_BATCH_RETENTION_SECONDS", 7 * 24 * 3600, minimum=60)

# Celery: a directory of files is the broker of one box. Messages are nudges, the truth is in the
# database, so a result is never stored and a task may run twice.
BROKER_DIR = DATA_DIR / "broker"
CELERY_BROKER_URL = env_str("MLOPS_BROKER_URL", "files://localhost")
if CELERY_BROKER_URL == "files://localhost":
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "messages"),
        "data_folder_out": str(BROKER_DIR / "messages"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.2,  # seconds
    }
elif CELERY_BROKER_URL.startswith(("redis:", "rediss:")):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # A message that was not acknowledged for so long comes again: no task may run longer.
        "visibility_timeout": 2 * 3600,  # seconds
        "socket_connect_timeout": 5,  # seconds
        "socket_timeout": 30,  # seconds
        "socket_keepalive": True,
    }
for folder in ("messages", "control"):
    (BROKER_DIR / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever
# Batches and jobs run for long: workers of their own take them, so periodic tasks never wait.
BATCH_QUEUE = "batch"
CELERY_TASK_ROUTES = {
    "services.tasks.run_batches": {"queue": BATCH_QUEUE},
    "mlops.jobs.tasks.run_job": {"queue": BATCH_QUEUE},
}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = 3600  # seconds
CELERY_TASK_TIME_LIMIT = 3660  # seconds
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# It speaks to RabbitMQ from the threads of tasks, while the worker's own thread does so too.
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BEAT_SCHEDULER = "mlops.onebox.heartbeat:BeatScheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(BROKER_DIR / "beat-schedule")
CELERY_BEAT_MAX_LOOP_INTERVAL = 5  # seconds
CELERY_TIMEZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s%(correlation)s: %(message)s"},
        "action": {"()": "mlops.accounts.action_line.ActionLine"},
    },
    "filters": {
        "correlation": {"()": "mlops.correlation.CorrelationInLog"},
        "redact_refresh_tokens": {"()": "mlops.accounts.log_filter.RedactRefreshTokens"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["correlation", "redact_refresh_tokens"],
        },
        "actions": {
            "class": "logging.StreamHandler",
            "formatter": "action",
            "filters": ["redact_refresh_tokens"],
        },
    },
    "loggers": {
        "mlops.actions": {"handlers": ["actions"], "propagate": False},
        "mlops.traces": {"level": "INFO"},  # an Owner has asked for each of its lines
    },
    "root": {"handlers": ["console"], "level": env_str("MLOPS_LOG_LEVEL", "WARNING").upper()},
}
