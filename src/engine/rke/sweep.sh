# What `rke remove` leaves on a node: pods' containers, their mounts, network and rules. Run as root by `cowhand down`.
# Only what Kubernetes and RKE's network plugins made goes. etcd snapshots in /opt/rke/etcd-snapshots stay: they may be
# the last copy of somebody's cluster.
#
# $1: `judge` says what stands against `rke remove`, which empties folders with all that is mounted in them; `before` it keeps what
# others have in the folders of CNI; `after` it takes away what is left; `look` changes nothing. $2: the pods' networks, $3: the
# nodes' addresses, $4: the system images of the inventory, each with blanks between. $5: a folder in the place of /, for tests.
# After `== left` a line says what is still there; `kept …` what stays on purpose. After `== against` what `judge` found.
set -u
export LC_ALL=C
step=$1 pods=$2 nodes=$3 images=$4 root=${5-}
# sudo's own path may lack what Docker's static binaries or snap came into.
[ -n "$root" ] || PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin:/snap/bin"
kept=$root/var/lib/cowhand-kept
configs=$root/etc/cni/net.d plugins=$root/opt/cni/bin states=$root/var/lib/cni
mountinfo=/proc/self/mountinfo

# The names that RKE gives its containers (rancher/rke v1.8.0: services, cluster, pki, hosts): those that bear its label, and those
# that do not (cluster/plan.go labels eight).
labelled='etcd kubelet kube-proxy kube-apiserver kube-controller-manager kube-scheduler nginx-proxy service-sidekick'
unlabelled='etcd-rolling-snapshots etcd-snapshot-once etcd-extract-statefile extract-statefile-configmap etcd-remove-snapshot
  rke-etcd-port-listener rke-cp-port-listener rke-worker-port-listener rke-port-checker cert-deployer cert-fetcher
  cluster-state-deployer file-deployer etcd-fix-perm rke-bundle-cert rke-log-linker rke-log-cleaner kube-cleaner
  etcd-Serve-backup etcd-checksum-checker etcd-restore etcd-download-backup rke-selinux-checker'
# What canal, calico, flannel and weave put into /etc/cni/net.d, and what they and their images put into /opt/cni/bin.
own_configs='10-canal.conflist 10-calico.conflist 10-flannel.conflist 10-weave.conflist calico-kubeconfig'
own_plugins='bandwidth bridge calico calico-ipam dhcp dummy firewall flannel host-device host-local install ipvlan
  loopback macvlan portmap ptp sbr static tap tuning vlan vrf weave-ipam weave-net weave-plugin-latest'

one_of() {
  for known in $2; do [ "$1" != "$known" ] || return 0; done
  return 1
}
# Files of somebody else's network, podman's for example.
foreign_configs() {
  for file in "$configs"/* "$configs"/.[!.]*; do
    [ -e "$file" ] || continue
    one_of "${file##*/}" "$own_configs" || printf '%s\n' "$file"
  done
}

containers() {
  docker ps -a --format '{{.ID}}|{{.Names}}|{{.Label "io.rancher.rke.container.name"}}|{{.Label "io.kubernetes.pod.name"}}|{{.Image}}'
}
# Whether an image is one that RKE runs under the names that bear no label: by its repository's last part, as mirrors keep it, or by
# the inventory.
image_of_rke() {
  ! one_of "$1" "$images" || return 0
  repository=${1%%@*} repository=${repository##*/}
  one_of "${repository%%:*}" 'rke-tools hyperkube mirrored-coreos-etcd coreos-etcd'
}
# Of the lines of `containers`: `rke ID NAME` and `pod ID NAME`, proved by their labels, and what only looks like one, as `renamed`
# with RKE's own name for it, and as `foreign` with its image. RKE's kubelet takes every pod's container of this Docker for its own.
sorted() {
  while IFS='|' read -r id name label pod image; do
    case $name in
    k8s_*) [ -z "$pod" ] || printf 'pod %s %s\n' "$id" "$name" ;;
    *)
      if [ -n "$label" ]; then
        # As rke calls one while it replaces it.
        if [ "$label" = "${name#old-}" ]; then printf 'rke %s %s\n' "$id" "$name"; else printf 'renamed %s %s\n' "$name" "$label"; fi
      elif one_of "$name" "$unlabelled" && image_of_rke "$image"; then
        printf 'rke %s %s\n' "$id" "$name"
      elif one_of "$name" "$labelled $unlabelled"; then
        printf 'foreign %s %s\n' "$name" "$image"
      fi
      ;;
    esac
  done
}
# Of `ip -o link show`, what Kubernetes and the network plugins made.
cluster_links() {
  awk '{ name = $2; sub(/[@:].*/, "", name) }
    name ~ /^(cni0|flannel\.1|flannel-v6\.1|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|kube-ipvs0|nodelocaldns)$/ { print name }
    name ~ /^cali[0-9a-f]+$/ && length(name) == 15 { print name }'
}
# Of `ip route show`, the routes to pods: in their network, through another node, a link of theirs, or nowhere. What the
# kernel or DHCP made for the machine itself is none, wherever its addresses lie.
pod_routes() {
  awk -v pods="$pods" -v nodes="$nodes" '
    function number(ip,  part) {
      return split(ip, part, ".") == 4 ? ((part[1] * 256 + part[2]) * 256 + part[3]) * 256 + part[4] : -1
    }
    BEGIN { networks = split(pods, network, " "); split(nodes, list, " "); for (i in list) is_node[list[i]] = 1 }
    {
      kind = ""; target = $1; via = ""; dev = ""; proto = ""
      if ($1 == "blackhole") { kind = $1; target = $2 }
      for (i = 1; i < NF; i++) {
        if ($i == "via") via = $(i + 1)
        if ($i == "dev") dev = $(i + 1)
        if ($i == "proto") proto = $(i + 1)
      }
      of_pods = dev ~ /^(cni0|flannel\.1|vxlan\.calico|tunl0|wireguard\.cali)$/ || (dev ~ /^cali/ && length(dev) == 15)
      if (!of_pods && proto ~ /^(kernel|dhcp|ra|static)$/) next
      if (!of_pods && kind == "" && !(via in is_node)) next
      split(target, to, "/"); length_of = to[2] == "" ? 32 : to[2]; at = number(to[1])
      for (i = 1; i <= networks; i++) {
        split(network[i], of, "/"); base = number(of[1])
        if (at < 0 || base < 0 || length_of < of[2]) continue
        # Without ^, which the awk of a small busybox lacks.
        size = 1; for (bit = of[2]; bit < 32; bit++) size *= 2
        if (int(at / size) == int(base / size)) { print kind (kind == "" ? "" : " ") target; next }
      }
    }'
}
# Of `iptables-save`, everything that is not of Kubernetes or a network plugin. $1: the chains of CNI itself as well, when
# nobody else uses CNI here.
foreign_rules() {
  awk -v chains="^(KUBE-|FLANNEL-|cali-${1-})" '
    function link(name) { return name ~ /^(cni0|flannel\.1|kube-ipvs0|nodelocaldns|cali\+)$/ || (name ~ /^cali[0-9a-f]+$/ && length(name) == 15) }
    /^:/ { name = substr($1, 2); if (name ~ chains) next }
    /^-A / {
      if ($2 ~ chains || $0 ~ /--comment "?flanneld /) next
      rule = $0; gsub(/\\"/, "", rule); gsub(/"[^"]*"/, "-", rule)
      words = split(rule, word, " "); ours = 0
      for (i = 1; i < words; i++) {
        if ((word[i] == "-j" || word[i] == "-g") && word[i + 1] ~ chains) ours = 1
        if ((word[i] == "-i" || word[i] == "-o") && link(word[i + 1])) ours = 1
      }
      if (ours) next
    }
    { print }'
}
save() { command -v "$1-save" >/dev/null 2>&1 && "$1-save" 2>/dev/null; }

# The folders that go, or are emptied. What somebody mounted in one of them is neither RKE's nor the kubelet's.
cleaned='/etc/kubernetes /etc/cni /opt/cni /var/lib/cni /var/lib/calico /run/calico /run/flannel /var/lib/cri-dockerd
  /var/lib/rancher/rke /var/log/containers /var/log/pods /var/log/kube-audit /opt/rke/etcd-snapshots-restore /var/lib/etcd
  /var/lib/kubelet'

# The folder $1, wherever links on the way lead, as $real.
real_of() { real=$(cd -P "$root$1" 2>/dev/null && pwd -P && echo .) && real=${real%??}; }
# A path as the kernel writes it (man 5 proc: \040 is a blank), as $decoded.
decode() {
  decoded='' rest=$1
  while [ "$rest" != "${rest#*\\}" ]; do
    decoded=$decoded${rest%%\\*} rest=${rest#*\\}
    case $rest in
    040*) decoded="$decoded " ;;
    011*) decoded="$decoded	" ;;
    012*) decoded="$decoded
" ;;
    043*) decoded="$decoded#" ;;
    134*) decoded="$decoded\\" ;;
    *) decoded="$decoded\\" && continue ;;
    esac
    rest=${rest#???}
  done
  decoded=$decoded$rest
}
# Calls $1 with every mount below $real, the last one first.
each_mount() {
  call=$1
  set --
  while read -r _ _ _ _ point _; do
    decode "$point"
    case $decoded in "$real"/*) set -- "$decoded" "$@" ;; esac
  done <"$mountinfo"
  for point in "$@"; do "$call" "$point"; done
}
# Mounts that the cluster made: volumes of pods, what plugins stage for them, and calico's, which holds no files.
of_cluster() {
  case $folder${1#"$real"} in
  /var/lib/kubelet/pods/*/volumes/* | /var/lib/kubelet/pods/*/volume-subpaths/* | /var/lib/kubelet/pods/*/volumeDevices/*) ;;
  /var/lib/kubelet/plugins/*/* | /run/calico/cgroup) ;;
  *) return 1 ;;
  esac
}
unmount() { ! of_cluster "$1" || umount "$1" 2>/dev/null; }
# As one line, whatever is in the name.
told() { printf '%s' "$1" | tr '\n' '?'; }
left_mount() { printf 'mount %s in %s\n' "$(told "$1")" "$folder"; }
foreign_mount() {
  of_cluster "$1" || printf '%s is mounted in %s, which would be emptied with it: unmount it first\n' "$(told "$1")" "$folder"
}
# Whether the folder $1 may be deleted in: it is there, no link itself (what that leads to may hold more), and nothing is mounted below.
safe() {
  folder=$1
  [ ! -L "$root$1" ] && real_of "$1" && [ -z "$(each_mount left_mount)" ]
}
# Without -delete and -depth: not every busybox has the first, and with the second its find crosses mounts in spite of -xdev.
empty() {
  find "$1" -xdev -mindepth 1 ! -type d -exec rm -f {} + || return 1
  before=''
  while now=$(find "$1" -xdev -mindepth 1 -type d | wc -l) && [ "$now" -gt 0 ] && [ "$now" != "$before" ]; do
    before=$now
    find "$1" -xdev -mindepth 1 -type d -exec rmdir {} + 2>/dev/null
  done
}
# Deletes what is in the folder $1, unless something is mounted there.
trouble=''
clean() {
  safe "$1" || return 0
  said=$(empty "$real" 2>&1) && [ -z "$said" ] || trouble="${trouble}in $1: $(printf '%s' "$said" | head -n 1)
"
}
# And the folder itself; whether it is gone.
remove() {
  clean "$1"
  rmdir "$root$1" 2>/dev/null
  [ ! -e "$root$1" ]
}

# What this script cannot do without. Without one of them a mount may go unseen.
lacking() {
  for tool in awk chmod cksum cp docker find grep head ip ls mkdir mv rm rmdir sed sort tr umount wc; do
    command -v "$tool" >/dev/null 2>&1 || printf ' %s' "$tool"
  done
  [ -r "$mountinfo" ] || printf ' %s' "$mountinfo"
}
lacks=$(lacking)

if [ "$step" = judge ]; then
  echo '== against'
  [ -z "$lacks" ] || printf 'this node lacks%s, without which nothing can be taken away safely\n' "$lacks"
  for folder in $cleaned; do ! real_of "$folder" || each_mount foreign_mount; done
  exit 0
fi
if [ -n "$lacks" ]; then
  [ "$step" != before ] || exit 1
  printf '== left\nnobody knows what: this node lacks%s, so nothing was deleted\n' "$lacks"
  exit 0
fi

# A copy that was made to the end is `next` until the one before it is gone.
settle_kept() {
  [ ! -e "$kept.next" ] || { remove /var/lib/cowhand-kept && mv "$kept.next" "$kept"; }
}
# Kept until `after` has put it back, also over a run that was cut off. What is there now goes before what was kept then.
keep() {
  remove /var/lib/cowhand-kept.new && mkdir -p "$kept.new" && chmod 700 "$kept.new" || return 1
  for from in "$kept" "$root"; do
    for folder in etc/cni opt/cni var/lib/cni; do
      [ -d "$from/$folder" ] || continue
      mkdir -p "$kept.new/$folder" && cp -a "$from/$folder/." "$kept.new/$folder/" || return 1
    done
  done
  mv "$kept.new" "$kept.next" && settle_kept
}
if [ "$step" = before ]; then
  settle_kept && { [ -z "$(foreign_configs)" ] || keep; } || exit 1
  exit 0
fi

same() { [ "$(cksum <"$1")" = "$(cksum <"$2")" ]; }
# Whatever came into the place of a kept file since is newer: it stays, and the kept one as well if it is another.
put_back() {
  settle_kept
  [ -d "$kept" ] || return 0
  older=$kept.older
  find "$kept" ! -type d | while IFS= read -r file; do
    path=${file#"$kept"}
    [ -e "$root$path" ] || [ -L "$root$path" ] || continue
    if [ ! -f "$root$path" ] || [ ! -f "$file" ] || ! same "$file" "$root$path"; then
      mkdir -p "$older${path%/*}" && cp -a "$file" "$older$path" || continue
    fi
    rm -f "$file"
  done
  # Folder by folder: a copy takes the rights of its own folders along, which are none of /etc or /.
  back=true
  for folder in etc/cni opt/cni var/lib/cni; do
    [ -d "$kept/$folder" ] || continue
    mkdir -p "$root/$folder" && cp -a "$kept/$folder/." "$root/$folder/" || back=false
  done
  ! $back || remove /var/lib/cowhand-kept
}

take_away() {
  put_back
  printf '%s\n' "$there" | sorted | sort -r | while read -r kind id _; do
    # RKE's kubelet before its pods: it would make them again.
    case $kind in rke | pod) docker rm -fv "$id" >/dev/null ;; esac
  done
  ip route show 2>/dev/null | pod_routes | while read -r route; do ip route delete $route 2>/dev/null; done
  ip -o link show master cni0 2>/dev/null | awk '{ sub(/[@:].*/, "", $2); print $2 }' | while read -r link; do ip link delete "$link" 2>/dev/null; done
  ip -o link show 2>/dev/null | cluster_links | while read -r link; do ip link delete "$link" 2>/dev/null; done

  foreign=$(foreign_configs)
  shared=
  [ -n "$foreign" ] || shared='|CNI-'
  for family in iptables ip6tables; do
    all=$(save "$family") && [ -n "$all" ] || continue
    rules=$(printf '%s\n' "$all" | foreign_rules "$shared")
    [ "$rules" = "$all" ] || printf '%s\n' "$rules" | "$family-restore"
  done

  safe /etc/cni && for file in $own_configs; do rm -f "$configs/$file"; done
  remove /etc/cni/net.d/calico-tls
  if [ -n "$foreign" ]; then
    for file in flannel networks/cbr0 networks/k8s-pod-network; do remove "/var/lib/cni/$file"; done
  else
    safe /opt/cni && for file in $own_plugins; do rm -f "$plugins/$file"; done
    remove /var/lib/cni
  fi
  rmdir "$configs" "$root/etc/cni" "$plugins" "$root/opt/cni" 2>/dev/null
  for folder in $cleaned; do
    real_of "$folder" && each_mount unmount
    case $folder in
    /etc/cni | /opt/cni | /var/lib/cni) ;;
    /var/lib/etcd | /var/lib/kubelet) clean "$folder" ;;
    *) remove "$folder" ;;
    esac
  done
  rmdir "$root/var/lib/rancher" "$root/opt/rke/etcd-snapshots" "$root/opt/rke" 2>/dev/null
}
# Nothing is deleted where containers could not be asked for: what runs there still writes, and mounts.
if there=$(containers 2>/dev/null) && [ "$step" != look ]; then take_away; fi
silent=''
there=$(containers 2>/dev/null) || silent=$(containers 2>&1 >/dev/null | tr '\n' ' ')
foreign=$(foreign_configs)

echo "== left"
[ -z "$silent" ] || printf 'perhaps containers: docker ps fails: %s\n' "${silent% }"
printf '%s\n' "$there" | sorted | sort -k 2 | while read -r kind first second; do
  case $kind in
  rke | pod) printf 'container %s\n' "$second" ;;
  renamed) printf 'container %s, which bears RKE'"'"'s label for %s under another name: if nobody needs it, docker rm -fv %s\n' "$first" "$second" "$first" ;;
  foreign) printf 'kept container %s of the image %s, which is not RKE'"'"'s\n' "$first" "$second" ;;
  esac
done
printf '%s' "$trouble"
for folder in $cleaned; do
  real_of "$folder" || continue
  each_mount left_mount
  case $folder in
  /etc/cni | /opt/cni) continue ;;
  /var/lib/cni) [ -z "$foreign" ] || continue ;;
  esac
  [ -n "$(ls -A "$real")" ] || continue
  if [ -L "$root$folder" ]; then
    printf 'files in %s, which is a link to %s: if they are the cluster'"'"'s alone, delete them by hand\n' "$folder" "$real"
  else
    echo "files in $folder"
  fi
done
ip -o link show 2>/dev/null | cluster_links | sed 's/^/link /'
ip route show 2>/dev/null | pod_routes | sed 's/^/route /'
for family in iptables ip6tables; do
  all=$(save "$family") || continue
  count=$(printf '%s\n' "$all" | grep -c '^:KUBE-')
  [ "$count" = 0 ] || echo "$family $count chains KUBE-*"
done
[ ! -e "$kept" ] || echo "folder /var/lib/cowhand-kept: another network's files, taken aside before rke remove"
[ ! -e "$kept.older" ] || echo "kept /var/lib/cowhand-kept.older: files of another network, in whose place others have come since"
for folder in /etc/cni /opt/cni; do
  [ ! -e "$root$folder" ] || find "$root$folder" -type f | sed "s|^$root|kept |; s|\$|, which is not RKE's|"
done
for path in "$root/var/lib/rancher"/* "$root/opt/rke"/*; do
  [ ! -e "$path" ] || echo "kept ${path#"$root"}"
done
exit 0
