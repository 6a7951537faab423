//! Prints what a load balancer in front of the nodes needs: its whole configuration.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::balancer::{self, Floating, Front, Place, Refused, TlsFiles};
use crate::failure::{Exit, Failure};
use crate::session::new_file;
use crate::session::{Answer, Context};

#[derive(Debug, Clone, clap::Args)]
pub struct Lb {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Kind {
    /// haproxy.cfg: asks Rancher itself on every node
    ///
    /// haproxy asks Rancher on every node every two seconds (GET /ping by its name, over TLS where layer 4 ends there),
    /// takes a node out after three wrong answers and cuts what still hangs on it.
    #[command(after_long_help = "\
Examples:
  cowhand lb haproxy -o haproxy.cfg && haproxy -c -f haproxy.cfg
  cowhand lb haproxy --certificate /etc/haproxy/tls/rancher.pem    # mode external: TLS ends at haproxy")]
    Haproxy(Terminating),

    /// nginx.conf: open-source nginx, which notices a node that is gone by failed connections
    ///
    /// Open-source nginx has no health checks of its own: a node that takes connections without answering stays in use.
    #[command(after_long_help = "\
Examples:
  cowhand lb nginx -o nginx.conf
  cowhand lb nginx --certificate /etc/nginx/tls/rancher.pem --key /etc/nginx/tls/rancher.key    # mode external")]
    Nginx(Terminating),

    /// keepalived.conf of one machine: an address that is always where Rancher answers
    ///
    /// For two or more load balancers of the inventory; without load_balancers, for the nodes themselves.
    #[command(after_long_help = "\
Examples:
  cowhand lb keepalived --virtual-ip 10.0.0.100 --interface ens18
  cowhand lb keepalived --virtual-ip 10.0.0.100 --interface ens18 --on 10.0.0.6 -o keepalived.conf")]
    Keepalived(Sharing),

    /// Terraform for AWS: ALB for mode external, NLB otherwise, and Route 53. Not run: parsed in a test, never applied
    #[command(after_long_help = "\
Not run: this text is parsed in a test, and was never applied. Read it before you do.

Examples:
  cowhand lb aws -o main.tf
  cowhand lb aws -o main.tf && terraform init && terraform validate")]
    Aws(Goal),
}

/// Where TLS may end.
#[derive(Debug, Clone, clap::Args)]
struct Terminating {
    /// Mode external: file on the balancer with the certificate and its intermediates; it is named, never read
    #[arg(long, value_name = "PATH")]
    certificate: Option<Place>,
    /// Mode external: file on the balancer with the key [default: the certificate's name with .key at its end]
    #[arg(long, value_name = "PATH")]
    key: Option<Place>,
    #[command(flatten)]
    goal: Goal,
}

#[derive(Debug, Clone, clap::Args)]
struct Sharing {
    /// The address that floats; no machine has it as its own
    #[arg(long, value_name = "IP")]
    virtual_ip: IpAddr,
    /// The network interface that gets it, the same on all machines
    #[arg(long, value_name = "NAME", default_value = "eth0", value_parser = interface)]
    interface: String,
    /// The machine that the text is for [default: the first one]
    #[arg(long, value_name = "IP")]
    on: Option<IpAddr>,
    #[command(flatten)]
    goal: Goal,
}

/// Where the text goes.
#[derive(Debug, Clone, clap::Args)]
struct Goal {
    /// File to write, `-` for standard output
    #[arg(short = 'o', long = "to", value_name = "FILE", default_value = "-")]
    to: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// A name as Linux gives it to interfaces: `IFNAMSIZ` allows 15 letters.
fn interface(text: &str) -> Result<String, &'static str> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || ".-_@".contains(letter);
    let good = (1..=15).contains(&text.len()) && text.chars().all(fits);
    if good { Ok(text.to_owned()) } else { Err("an interface has a name such as eth0 or ens18") }
}

/// What was written, for `--output json`.
#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
}

pub fn run(context: &Context, wanted: &Lb) -> Answer {
    let project = context.wanted()?;
    let refused = |why: Refused| refused(&project.file, &why);
    let front = Front::new(&project.inventory, &project.file.display().to_string()).map_err(refused)?;
    let (text, goal) = match &wanted.kind {
        Kind::Haproxy(said) => (balancer::haproxy(&front, &said.files()), &said.goal),
        Kind::Nginx(said) => (balancer::nginx(&front, &said.files()), &said.goal),
        Kind::Keepalived(said) => (balancer::keepalived(&front, &said.floating()), &said.goal),
        Kind::Aws(goal) => (balancer::aws(&front), goal),
    };
    let text = text.map_err(refused)?;
    if goal.to == Path::new("-") {
        context.console.raw(&text)?;
        return Ok(Exit::Done);
    }
    new_file::write(&goal.to, &text, goal.force)?;
    context.console.data("written", &Written { file: &goal.to }, |look| {
        look.letters(&format!("{} is written; its first lines say where it belongs\n", goal.to.display()))
    })?;
    Ok(Exit::Done)
}

impl Terminating {
    fn files(&self) -> TlsFiles {
        TlsFiles { certificate: self.certificate.clone(), key: self.key.clone() }
    }
}

impl Sharing {
    fn floating(&self) -> Floating {
        Floating { address: self.virtual_ip, interface: self.interface.clone(), on: self.on }
    }
}

fn refused(file: &Path, why: &Refused) -> Failure {
    let exit = match why {
        Refused::Options(_) => Exit::Usage,
        Refused::Inventory(_) => Exit::Inventory,
    };
    Failure::with_cause(exit, format!("{} gives no such text", file.display()), why)
}
