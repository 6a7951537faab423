//! A systemd service and timer that take a backup each day.

use crate::failure::{Exit, Failure};
use crate::remote::Words;
use crate::session::project::Project;
use crate::session::{Answer, Context};

pub fn run(context: &Context) -> Answer {
    let project = Project::open(context)?;
    let program = std::env::current_exe();
    let program =
        program.map_err(|error| Failure::with_cause(Exit::NotHere, "where cowhand lies is not known", &error))?;
    let file = std::path::absolute(&project.file).unwrap_or_else(|_| project.file.clone());
    let words =
        Words::new(program.display().to_string()).args(["backup", "--output", "plain", "--keep", "7d,4w,6m", "-i"]);
    let line = words.arg(file.display().to_string()).line();
    context.console.raw(&text(&project.inventory.name, &line))?;
    Ok(Exit::Done)
}

/// In systemd a percent sign and a dollar sign begin something of its own.
fn text(name: &str, line: &str) -> String {
    let line = line.replace('%', "%%").replace('$', "$$");
    format!(
        "# /etc/systemd/system/cowhand-backup-{name}.service\n\
         [Unit]\nDescription=Backup of cluster {name}\nWants=network-online.target\nAfter=network-online.target\n\n\
         [Service]\nType=oneshot\nUMask=0077\nExecStart={line}\n\n\
         # /etc/systemd/system/cowhand-backup-{name}.timer\n\
         [Unit]\nDescription=Backup of cluster {name}, each day\n\n\
         [Timer]\nOnCalendar=*-*-* 03:15:00\nRandomizedDelaySec=10min\nPersistent=true\n\n\
         [Install]\nWantedBy=timers.target\n\n\
         # then: systemctl enable --now cowhand-backup-{name}.timer\n\
         # and for a monitor: cowhand backup check --max-age 26h\n"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_units_stand_there_with_the_whole_line() {
        let text = super::text("prod", "/usr/bin/cowhand backup -i '/srv/a b.yml'");
        assert!(text.contains("\nExecStart=/usr/bin/cowhand backup -i '/srv/a b.yml'\n"), "{text}");
        assert!(text.contains("cowhand-backup-prod.timer") && text.contains("\nPersistent=true\n"));
    }
}
