# Everything cowhand wants to know of a machine, in one round trip. POSIX sh (dash, busybox ash, bash); changes nothing; needs no
# root, but asks `sudo -n` for what only root sees. $1: Rancher's host name, $2: path of the Docker socket.
# A line `==name` begins a section; a line `!reason` in it says why it is empty. What stands before the first marker is noise.

export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin:/snap/bin"
rancher=${1-} socket=${2:-/var/run/docker.sock}

has() { command -v "$1" >/dev/null 2>&1; }
limit() {
    seconds=$1
    shift
    if has timeout; then timeout "$seconds" "$@"; else "$@"; fi
}
# The builtin read costs no process, unlike cat.
show() {
    [ -r "$1" ] || return 1
    while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$line"; done <"$1"
}
# Only for files that may be read byte by byte: a number below /proc/sys ends after its first byte for dash.
value() {
    [ -r "$2" ] || return 0
    line=
    { IFS= read -r line <"$2"; } 2>/dev/null
    [ -z "$line" ] || printf '%s %s\n' "$1" "$line"
}
existing() {
    folder=$1
    while [ ! -d "$folder" ]; do folder=${folder%/*}; folder=${folder:-/}; done
    printf '%s' "$folder"
}
# A failure as one line, however many its program wrote.
failed() { printf '!%s\n' "$(printf '%s' "$1" | tr '\r\n' '  ')"; }

engine() { limit 10 docker -H "unix://$socket" "$@"; }
# $1: how the call before ended. Its own words are asked for again, because a template that dies half way prints into them.
complain() {
    case $1 in
    124 | 143) echo '!docker did not answer within 10 s' ;;
    *) failed "$(engine version --format x 2>&1 >/dev/null)" ;;
    esac
}
engine_version='version {{.Server.Version}}{{println}}api {{.Server.APIVersion}}{{println}}minimum-api {{.Server.MinAPIVersion}}'

docker_version() {
    echo ==docker-version
    if answer=$(engine version --format "$engine_version" 2>&1); then
        printf '%s\n' "$answer"
    else
        complain $?
        if has sudo && answer=$(limit 10 sudo -n docker -H "unix://$socket" version --format "$engine_version" 2>/dev/null); then
            printf '==docker-version-root\n%s\n' "$answer"
        fi
    fi
}

docker_info() {
    echo ==docker-info
    if answer=$(engine info --format 'driver {{.Driver}}{{println}}root {{.DockerRootDir}}{{println}}log-driver {{.LoggingDriver}}{{println}}security {{.SecurityOptions}}{{println}}{{range .DriverStatus}}status {{index . 0}}: {{index . 1}}{{println}}{{end}}' 2>&1); then
        printf '%s\n' "$answer"
        root=${answer#*root }
        root=${root%%
*}
        images=$(existing "${root:-/var/lib/docker}")
    else
        complain $?
        images=$(existing /var/lib/docker)
    fi
    printf '==disk-images\nat images %s\n' "$images"
    df -Pk "$images" 2>/dev/null
}

docker_containers() {
    echo ==containers
    names='etcd|kubelet|kube-apiserver|kube-proxy|kube-controller-manager|kube-scheduler|nginx-proxy|service-sidekick|etcd-[a-zA-Z-]*|rke-[a-z-]*|cert-deployer|cert-fetcher|cluster-state-deployer|file-deployer|kube-cleaner|extract-statefile-configmap'
    if answer=$(engine ps -a --filter "name=^/?($names)\$" --format '{{.Names}}|{{.Status}}|{{.Label "io.rancher.rke.container.name"}}|{{.Image}}' 2>&1); then
        printf '%s\n' "$answer"
    else
        complain $?
        return
    fi
    # root reads the file itself; somebody who is only in the docker group asks the running kubelet, which mounts it
    case $answer in
    *'kubelet|Up'*'|kubelet|'*)
        if [ ! -r /etc/kubernetes/ssl/kube-ca.pem ] && ! { has sudo && sudo -n true 2>/dev/null; }; then
            echo ==ca
            engine exec kubelet cat /etc/kubernetes/ssl/kube-ca.pem 2>/dev/null
        fi
        ;;
    esac
}

docker_probe() {
    echo ==docker-cli
    if has docker; then
        command -v docker
        docker_version | {
            docker_containers | {
                docker_info
                cat
            }
            cat
        }
    else
        echo '!there is no docker command'
        images=$(existing /var/lib/docker)
        printf '==disk-images\nat images %s\n' "$images"
        df -Pk "$images" 2>/dev/null
    fi
}

# Names and time may have to wait for other machines or for systemd.
resolve() {
    if has getent; then
        limit 5 getent ahosts "$1" || limit 5 getent hosts "$1"
    elif has nslookup; then
        limit 5 nslookup "$1" 2>/dev/null | while read -r word rest; do
            case $word in Name:) found=1 ;; Address*) [ -z "${found-}" ] || printf '%s\n' "$rest" ;; esac
        done
    else
        echo '!neither getent nor nslookup is there'
    fi
}

slow_probe() {
    if [ -n "$rancher" ]; then
        echo ==dns
        resolve "$rancher"
    fi | {
        echo ==ntp
        if [ -e /run/systemd/timesync/synchronized ]; then
            echo 'NTPSynchronized=yes'
        elif has chronyc && answer=$(limit 3 chronyc -n tracking 2>/dev/null); then
            printf '%s\n' "$answer" | grep '^Leap'
        elif has timedatectl && answer=$(limit 4 timedatectl show -p NTPSynchronized 2>/dev/null); then
            printf '%s\n' "$answer"
        elif has adjtimex && answer=$(adjtimex 2>/dev/null); then
            printf '%s\n' "$answer" | grep status
        else
            echo '!neither chronyc nor timedatectl nor adjtimex answers'
        fi
        echo ==services
        if [ -d /run/systemd/system ]; then
            state=$(limit 4 systemctl is-active firewalld 2>/dev/null)
            printf 'firewalld %s\n' "${state:-unknown}"
        else
            echo '!systemd does not run here'
        fi
        [ ! -r /etc/ufw/ufw.conf ] || grep '^ENABLED=' /etc/ufw/ufw.conf
        [ ! -e /etc/systemd/system/timers.target.wants/nm-cloud-setup.timer ] || echo 'nm-cloud-setup enabled'
        cat
    }
}

# Asked as root where that is possible, else as the user. $1: who, $2: the login user, $3: the laptop's address.
as_root='
printf "==sudo\n%s\n==ports\n" "$1"
if command -v ss >/dev/null 2>&1; then
    ss -lntup 2>/dev/null
else
    echo "!ss is not installed"
    echo ==proc-tcp
    grep -hs " 0A " /proc/net/tcp /proc/net/tcp6
    echo ==proc-udp
    grep -hs " 07 " /proc/net/udp /proc/net/udp6
fi
echo ==leftovers
for folder in /etc/kubernetes /var/lib/etcd /opt/rke /var/lib/rancher /etc/cni/net.d /opt/cni /var/lib/cni; do
    if [ ! -d "$folder" ]; then
        echo "absent $folder"
    elif [ ! -r "$folder" ] || [ ! -x "$folder" ]; then
        echo "unreadable $folder"
    else
        state=empty
        for entry in "$folder"/* "$folder"/.[!.]*; do [ ! -e "$entry" ] || state=full; done
        echo "$state $folder"
    fi
done
if [ -r /etc/kubernetes/ssl/kube-ca.pem ]; then
    echo ==ca
    cat /etc/kubernetes/ssl/kube-ca.pem
fi
if [ "$1" = root ]; then
    echo ==sshd
    sshd -T -C "user=$2,host=$3,addr=$3" 2>/dev/null | grep -E "^(allowtcpforwarding|allowstreamlocalforwarding|disableforwarding|maxsessions|permitopen) " || echo "!sshd -T gave nothing"
    echo ==input-policy
    # Asked, not guessed from /sys/module, where nothing stands for what is built into the kernel. nft does not see what
    # the legacy iptables keep; the kernel names those tables, and only then, or without nft, iptables are asked.
    seen=
    if command -v nft >/dev/null 2>&1 && chains=$(nft list chains 2>/dev/null); then
        seen=nft
        printf "%s\n" "$chains" | grep "hook input"
    fi
    if [ -z "$seen" ] || grep -qs filter /proc/net/ip_tables_names; then
        for program in iptables-legacy iptables; do
            if command -v "$program" >/dev/null 2>&1 && rules=$("$program" -S INPUT 2>/dev/null); then
                seen="$seen $program"
                printf "%s\n" "$rules" | grep "^-P"
            fi
        done
    fi
    if [ -n "$seen" ]; then echo "asked $seen"; else echo "!neither nft nor iptables answers"; fi
fi'

root_probe() {
    client=${SSH_CONNECTION-127.0.0.1}
    client=${client%% *}
    if [ "$who" = root ]; then
        sh -c "$as_root" sh root root "$client"
    elif ! has sudo; then
        sh -c "$as_root" sh '!sudo is not installed' "$who" "$client"
    else
        answer=$(limit 10 sudo -n -- sh -c "$as_root" sh root "$who" "$client" 2>&1)
        case $answer in
        *==sudo*) printf '%s\n' "$answer" ;;
        *) sh -c "$as_root" sh "$(failed "${answer:-sudo gave nothing}")" "$who" "$client" ;;
        esac
    fi
}

node_probe() {
    echo ==name
    value hostname /proc/sys/kernel/hostname
    value machine-id /etc/machine-id
    echo ==os
    show /etc/os-release || show /usr/lib/os-release || echo '!there is no os-release'
    echo ==kernel
    uname -rm
    echo ==cpu
    nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo
    echo ==memory
    while read -r line; do
        case $line in
        MemTotal:* | SwapTotal:*) printf '%s\n' "$line" ;;
        SwapFree:*) break ;;
        esac
    done </proc/meminfo
    etcd=$(existing /var/lib/etcd)
    kubelet=$(existing /var/lib/kubelet)
    printf '==disk\nat etcd %s\nat kubelet %s\nat root /\n' "$etcd" "$kubelet"
    df -Pk "$etcd" "$kubelet" / 2>/dev/null
    echo ==mounts
    grep -E '^[0-9]+ [0-9]+ [0-9:]+ [^ ]+ (/|/var|/var/lib(/kubelet|/docker|/etcd|/rancher)?) ' /proc/self/mountinfo
    if has ip; then
        echo ==addresses
        ip -o addr 2>/dev/null
    else
        printf '==addresses\n!ip is not installed\n==fib-trie\n'
        cat /proc/net/fib_trie 2>/dev/null
        echo ==if-inet6
        cat /proc/net/if_inet6 2>/dev/null
    fi
    printf '==ssh\n%s\n==user\n' "${SSH_CONNECTION-}"
    id
    echo ==sysctl
    grep -s . /proc/sys/net/ipv4/ip_forward /proc/sys/net/bridge/bridge-nf-call-iptables
    echo ==modules
    for module in br_netfilter overlay vxlan nf_conntrack ip_set; do
        [ ! -d "/sys/module/$module" ] || printf 'loaded %s\n' "$module"
    done
    read -r _ _ release _ </proc/version
    # each line of modules.dep begins with a module's own path, so only those are taken
    grep -oEs '(^|/)(br_netfilter|overlay|vxlan|nf_conntrack|ip_set)\.ko[.a-z]*(:|$)' "/lib/modules/$release/modules.dep" "/lib/modules/$release/modules.builtin"
    echo ==resolv
    show /etc/resolv.conf || echo '!/etc/resolv.conf cannot be read'
    if [ -r /run/systemd/resolve/resolv.conf ]; then
        echo ==resolv-systemd
        show /run/systemd/resolve/resolv.conf
    fi
    echo ==traces
    for path in /etc/rancher/rke2 /var/lib/rancher/rke2 /usr/local/bin/rke2 /usr/bin/rke2 /opt/rke2/bin/rke2 \
        /etc/rancher/k3s /var/lib/rancher/k3s /usr/local/bin/k3s /usr/bin/k3s /etc/systemd/system/k3s.service \
        /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/kubelet.conf /var/lib/k0s /var/snap/microk8s; do
        [ ! -e "$path" ] || printf '%s\n' "$path"
    done
    [ ! -S /run/k3s/containerd/containerd.sock ] || echo 'running /run/k3s/containerd/containerd.sock'
    echo ==kind
    value selinux /sys/fs/selinux/enforce
}

printf '==clock\nstart %s\n' "$(date +%s.%N)"
who=$(id -un)
docker_probe </dev/null 2>/dev/null | {
    slow_probe </dev/null 2>/dev/null | {
        root_probe </dev/null 2>/dev/null | {
            node_probe </dev/null 2>/dev/null
            cat
        }
        cat
    }
    cat
}
printf '==clock\nend %s\n==end\n' "$(date +%s.%N)"
