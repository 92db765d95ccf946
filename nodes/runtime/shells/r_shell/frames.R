# Frames: u32 header length, u64 body length (both big-endian), header (JSON), body (bytes).

COPIED_BYTES <- 1048576  # bodies up to here go out in one write with their header

# The socket to the node, after the secret on the second line of standard input was sent through it.
connect <- function() {
  input <- file("stdin", "rb")
  on.exit(close(input))
  port <- as.integer(rawToChar(read_line(input)))
  secret <- read_line(input)
  socket <- socketConnection(
    "127.0.0.1", port, blocking = TRUE, open = "r+b", options = "no-delay",
    timeout = .Machine$integer.max  # between two requests hours may pass
  )
  writeBin(c(secret, as.raw(10L)), socket)
  secret[] <- as.raw(0L)
  socket
}

read_line <- function(connection) {
  line <- raw(0L)
  while (length(byte <- readBin(connection, "raw", 1L)) && byte != as.raw(10L)) {
    line <- c(line, byte)
  }
  line
}

# The next request as list(header, body), NULL when the node has hung up.
#
# An interrupt that comes while the shell waits has nothing to stop, so it is dropped. One in the
# middle of a request would lose its place in the stream: R then ends, and the node replaces it.
receive <- function(socket) {
  prefix <- NULL
  while (is.null(prefix)) {
    prefix <- tryCatch(readBin(socket, "raw", 12L), interrupt = function(e) NULL)
  }
  if (length(prefix) < 12L) return(NULL)
  header <- read_bytes(socket, bytes_to_number(prefix[1:4]))
  body <- read_bytes(socket, bytes_to_number(prefix[5:12]))
  if (is.null(header) || is.null(body)) return(NULL)
  list(header = jsonlite::parse_json(utf8(header)), body = body)
}

# Sends the JSON text `header`, then `body`; one write unless the body is large.
send <- function(socket, header, body = NULL) {
  text <- charToRaw(header)
  head <- c(number_to_bytes(length(text), 4L), number_to_bytes(length(body), 8L), text)
  if (length(body) <= COPIED_BYTES) {
    writeBin(c(head, body), socket)
  } else {
    writeBin(head, socket)
    writeBin(body, socket)
  }
}

# Exactly `n` bytes, NULL when the stream ends before. Less than 2^31, as for all strings of R.
read_bytes <- function(socket, n) {
  bytes <- readBin(socket, "raw", n)
  if (length(bytes) == n) bytes
}

# Lengths are doubles here: R's integers end at 2^31.
bytes_to_number <- function(bytes) sum(as.integer(bytes) * 256^((length(bytes) - 1L):0))

number_to_bytes <- function(number, size) as.raw(number %/% 256^((size - 1L):0) %% 256)

utf8 <- function(bytes) {
  text <- rawToChar(bytes)
  Encoding(text) <- "UTF-8"
  text
}
