use lab_rancher::config::{Command, Config};
use lab_rancher::{VERSION, log, serve};
use serde_json::json;
use std::process::ExitCode;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error("fatal", json!({"error": format!("{error:#}")}));
            ExitCode::FAILURE
        }
    }
}

async fn start() -> anyhow::Result<()> {
    match Command::parse(std::env::args().skip(1))? {
        Command::Version => println!("rancher version {VERSION} (the lab's stand-in)"),
        Command::PostDelete => println!("post-delete: the lab's stand-in leaves nothing behind that has to be removed"),
        Command::Serve(args) => serve::run(Config::new(&args, |name| std::env::var(name).ok())?).await?,
    }
    Ok(())
}
