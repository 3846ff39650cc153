//! The flags of `ringbus call` and `ringbus serve`.

use std::time::Duration;

use super::Sharing;
use super::values::{seconds, service, size};

/// `ringbus call`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each reply is printed, and a newline. Without a living server the call fails at once; if the server that
was to answer dies, it fails as soon as that is known.

Examples:
  ringbus call upper hello
  ringbus call sums --all --json < request

Exit codes: 0 answered (or interrupted), 1 failed: no server, or one that ended or could not do it; 2
wrong usage, 3 the time ran out first.")]
pub struct CallArgs {
    /// The service
    #[arg(value_parser = service)]
    pub service: String,
    /// The request [default: what comes in on stdin]
    pub request: Option<String>,
    /// Ask all servers instead of one
    #[arg(long)]
    pub all: bool,
    /// How long to wait for the answer, in seconds, decimals allowed
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout: Duration,
    /// Wait until this many servers are there, within the timeout [default: 0]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub wait_servers: usize,
    /// Print a JSON object for each reply: server, len, and payload (text) or payload_hex
    #[arg(long)]
    pub json: bool,
}

/// `ringbus serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The command gets the request on stdin, and what it writes to stdout is the reply. One that ends with
another exit code than 0 has failed: the client is told which. Requests are answered one after the
other; start several servers to answer several at a time.

SIGINT (Ctrl-C) or SIGTERM ends it once the command that runs has answered. After --grace seconds, or
at a second signal, the command gets SIGTERM and a second later SIGKILL, and its client is told.

The service NAME is the topics NAME/requests and NAME/replies. Whoever is to call it must be allowed to
publish: of --mode, a 6.

Examples:
  ringbus serve upper -- tr a-z A-Z
  ringbus serve sums --reply-max 65536 -- ./sums.py
  ringbus --dir /dev/shm/plant serve upper --mode 660 --group operators -- tr a-z A-Z

Exit codes: 0 done (or interrupted), 1 failed, 2 wrong usage.")]
pub struct ServeArgs {
    /// The service
    #[arg(value_parser = service)]
    pub service: String,
    /// The longest request in bytes [default: 1024]
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub request_max: Option<usize>,
    /// The longest reply in bytes [default: 1024]
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub reply_max: Option<usize>,
    /// Make the service's topics on huge pages, for all who use them; without them, which is said, where
    /// the system gives none
    #[arg(long, alias = "huge")]
    pub huge_pages: bool,
    /// Fault the memory of the service's topics in before the first request
    #[arg(long)]
    pub prefault: bool,
    /// Keep their memory from being swapped out, as long as this runs
    #[arg(long)]
    pub lock_memory: bool,
    /// End after this many requests, 1 or more [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// How long the command may go on when this is to end, in seconds, decimals allowed
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub grace: Duration,
    /// Who may use the bus and the service.
    #[command(flatten)]
    pub sharing: Sharing,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}
