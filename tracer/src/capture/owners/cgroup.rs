//! What the path of a control group says: units of systemd, and containers.

/// What units are called that can have processes.
const UNITS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

/// Digits of a container's number, as Docker, Podman, containerd and CRI-O give
/// it.
const CONTAINER_LEN: usize = 64;

/// Scopes of what looks after a container of Podman, and is not in it.
const MONITOR: &str = "libpod-conmon-";

/// Where a process is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) unit: Option<String>,
    pub(super) container: Option<String>,
}

impl Place {
    /// By the parts of the path, from the last to the first: the innermost of
    /// each counts. The scope of a container is its number's place, and no unit
    /// of the host's is looked for around it.
    pub(super) fn of(parts: &[String]) -> Self {
        let mut place = Self::default();
        for part in parts {
            if let Some(container) = container(part) {
                place.container = Some(container.to_owned());
                break;
            }
            if place.unit.is_none() && UNITS.iter().any(|kind| part.ends_with(kind)) {
                place.unit = Some(part.clone());
            }
        }
        place
    }
}

/// The number of a container: the name of its group (`docker/NUMBER`) or behind
/// the last dash of its scope (`docker-NUMBER.scope`,
/// `cri-containerd-NUMBER.scope`).
fn container(part: &str) -> Option<&str> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let number = name.rsplit('-').next()?;
    let is_number = number.len() == CONTAINER_LEN
        && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_number && !part.starts_with(MONITOR)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_containers_are_found_in_paths() {
        let number = "0123456789abcdef".repeat(4);
        let (unit, container) = (
            |name: &str| Place { unit: Some(name.to_owned()), container: None },
            || Place { unit: None, container: Some(number.clone()) },
        );
        for (path, expected) in [
            ("system.slice/nginx.service", unit("nginx.service")),
            ("system.slice/php8.2-fpm.service/workers", unit("php8.2-fpm.service")),
            ("system.slice/system-postfix.slice/postfix@-.service", unit("postfix@-.service")),
            ("user.slice/user-0.slice/session-3.scope", unit("session-3.scope")),
            ("user.slice/user-5.slice/user@5.service/app.slice/a.service", unit("a.service")),
            ("init.scope", unit("init.scope")),
            ("system.slice", Place::default()),
            ("", Place::default()),
            (&format!("system.slice/docker-{number}.scope"), container()),
            (&format!("docker/{number}"), container()),
            (&format!("docker/{number}/init"), container()),
            (
                &format!("kubepods.slice/kubepods-pod1.slice/cri-containerd-{number}.scope"),
                container(),
            ),
            (&format!("machine.slice/libpod-{number}.scope/container"), container()),
            (
                &format!("machine.slice/libpod-conmon-{number}.scope"),
                unit(&format!("libpod-conmon-{number}.scope")),
            ),
            ("docker/0123", Place::default()),
        ] {
            let parts: Vec<_> =
                path.split('/').rev().filter(|part| !part.is_empty()).map(str::to_owned).collect();
            assert_eq!(Place::of(&parts), expected, "{path}");
        }
        // What runs as a service inside of a container is in that, too.
        let inside = format!("docker/{number}/system.slice/nginx.service");
        let parts: Vec<_> = inside.split('/').rev().map(str::to_owned).collect();
        let both = Place { unit: Some("nginx.service".into()), ..container() };
        assert_eq!(Place::of(&parts), both);
    }
}
