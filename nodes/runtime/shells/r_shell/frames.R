# Frames: u32 header length, u64 body length (both big-endian), header (JSON), body (bytes).

COPIED_BYTES <- 1048576  # bodies up to here are joined with their header
READ_BYTES <- 1048576
WRITE_BYTES <- 16384  # what a socket that can be written to takes at once
SCORE <- charToRaw("{\"op\":\"score\"}")  # the header of nearly all requests, not to be parsed
SCORE_HEADER <- list(op = "score")

# The socket to the node, after the secret on the second line of standard input was sent through it.
#
# Reads and writes do not wait: `await` does, which an interrupt can end without a byte being lost.
connect <- function() {
  input <- file("stdin", "rb")
  on.exit(close(input))
  port <- as.integer(rawToChar(read_line(input)))
  secret <- read_line(input)
  socket <- socketConnection(
    "127.0.0.1", port, blocking = TRUE, open = "r+b", options = "no-delay"
  )
  socketTimeout(socket, 0L)
  write_bytes(socket, c(secret, as.raw(10L)))
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
# The node interrupts nothing before it has sent a request, so an interrupt that comes before the
# request's first byte was meant for the request before and is dropped.
receive <- function(socket) {
  await(socket)
  prefix <- read_bytes(socket, 12L)
  if (is.null(prefix)) return(NULL)
  header <- read_bytes(socket, bytes_to_number(prefix[1:4]))
  body <- read_bytes(socket, bytes_to_number(prefix[5:12]))
  if (is.null(header) || is.null(body)) return(NULL)
  list(header = if (identical(header, SCORE)) SCORE_HEADER else read_header(header), body = body)
}

read_header <- function(bytes) jsonlite::parse_json(utf8(bytes))

# Sends the JSON text `header`, then `body`.
send <- function(socket, header, body = NULL) {
  text <- charToRaw(header)
  head <- c(number_to_bytes(length(text), 4L), number_to_bytes(length(body), 8L), text)
  if (length(body) <= COPIED_BYTES) {
    write_bytes(socket, c(head, body))
  } else {
    write_bytes(socket, head)
    write_bytes(socket, body)
  }
}

# Exactly `n` bytes, NULL when the stream ends before. Less than 2^31, as for all strings of R.
read_bytes <- function(socket, n) {
  bytes <- readBin(socket, "raw", min(n, READ_BYTES))
  if (length(bytes) == n) return(bytes)
  parts <- list(bytes)
  missing <- n - length(bytes)
  while (missing > 0) {
    await(socket)
    bytes <- readBin(socket, "raw", min(missing, READ_BYTES))
    if (!length(bytes)) return(NULL)
    parts[[length(parts) + 1L]] <- bytes
    missing <- missing - length(bytes)
  }
  unlist(parts)
}

write_bytes <- function(socket, bytes) {
  if (length(bytes) > WRITE_BYTES) {
    for (start in seq(1, length(bytes), WRITE_BYTES)) {
      write_bytes(socket, bytes[start:min(start + WRITE_BYTES - 1, length(bytes))])
    }
    return(invisible())
  }
  if (!socketSelect(list(socket), TRUE, 0)) await(socket, write = TRUE)
  writeBin(bytes, socket)
}

# Returns when the socket can be read from or written to; interrupts meanwhile are dropped.
await <- function(socket, write = FALSE) {
  ready <- FALSE
  while (!ready) {
    ready <- tryCatch(socketSelect(list(socket), write), interrupt = function(e) FALSE)
  }
}

# Lengths are doubles here: R's integers end at 2^31.
bytes_to_number <- function(bytes) sum(as.integer(bytes) * 256^((length(bytes) - 1L):0))

number_to_bytes <- function(number, size) as.raw(number %/% 256^((size - 1L):0) %% 256)

utf8 <- function(bytes) {
  text <- rawToChar(bytes)
  Encoding(text) <- "UTF-8"
  text
}
