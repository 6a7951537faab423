# What `rke remove` leaves on a node: pods' containers, their mounts, network and rules. Run as root by `cowhand down`.
# Only what Kubernetes and RKE's network plugins made goes. etcd snapshots in /opt/rke/etcd-snapshots stay: they may be
# the last copy of somebody's cluster.
#
# $1: `before` rke remove, which empties the folders of CNI, `after` it, or `look`, which changes nothing. $2: the pods' networks, $3: the nodes' addresses,
# each with blanks between. $4: a folder in the place of /, for tests.
# After `== left` a line says what is still there; `kept …` what stays on purpose.
set -u
step=$1 pods=$2 nodes=$3 root=${4-}
kept=$root/var/lib/cowhand-kept
configs=$root/etc/cni/net.d plugins=$root/opt/cni/bin states=$root/var/lib/cni

# The names that RKE gives its containers (rancher/rke v1.8.0: services, cluster, pki, hosts).
names='etcd kubelet kube-proxy kube-apiserver kube-controller-manager kube-scheduler nginx-proxy service-sidekick
  etcd-rolling-snapshots etcd-snapshot-once etcd-extract-statefile etcd-remove-snapshot rke-etcd-port-listener
  rke-cp-port-listener rke-worker-port-listener rke-port-checker cert-deployer cert-fetcher cluster-state-deployer
  file-deployer etcd-fix-perm rke-bundle-cert rke-log-linker rke-log-cleaner kube-cleaner etcd-Serve-backup
  etcd-checksum-checker etcd-restore etcd-download-backup'
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
# Of `docker ps --format '{{.Names}}'`, RKE's own and those of pods.
of_cluster() {
  while read -r name; do
    case $name in
    k8s_*) printf '%s\n' "$name" ;;
    *) ! one_of "$name" "$names" || printf '%s\n' "$name" ;;
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
mounts() { awk '$2 ~ "^/var/lib/kubelet/" {print length($2), $2}' "$root/proc/mounts" | sort -rn | while read -r _ mount; do printf '%s\n' "$mount"; done; }
save() { command -v "$1-save" >/dev/null 2>&1 && "$1-save" 2>/dev/null; }

if [ "$step" = before ]; then
  # Kept until `after` has put them back, also over a run that was cut off.
  if [ -n "$(foreign_configs)" ] && [ ! -e "$kept" ]; then
    rm -rf "$kept.new" && mkdir -p "$kept.new" && chmod 700 "$kept.new" || exit 1
    for folder in etc/cni opt/cni var/lib/cni; do
      [ -d "$root/$folder" ] || continue
      mkdir -p "$kept.new/$folder" && cp -a "$root/$folder/." "$kept.new/$folder/" || exit 1
    done
    mv "$kept.new" "$kept" || exit 1
  fi
  exit 0
fi

take_away() {
  if [ -d "$kept" ]; then
    # Folder by folder: a copy takes the rights of its own folders along, which are none of /etc or /.
    back=true
    for folder in etc/cni opt/cni var/lib/cni; do
      [ -d "$kept/$folder" ] || continue
      mkdir -p "$root/$folder" && cp -a "$kept/$folder/." "$root/$folder/" || back=false
    done
    ! $back || rm -rf "$kept"
  fi

  pods_left=$(docker ps -aq --filter label=io.kubernetes.pod.name) && [ -n "$pods_left" ] && docker rm -fv $pods_left >/dev/null
  for name in $(docker ps -a --filter label=io.rancher.rke.container.name --format '{{.Names}}'); do
    docker rm -fv "$name" >/dev/null
  done
  for name in $names; do
    docker rm -fv "$name" >/dev/null 2>&1
  done
  mounts | while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount"; done

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

  for file in $own_configs calico-tls; do rm -rf "$configs/$file"; done
  if [ -n "$foreign" ]; then
    rm -rf "$states/flannel" "$states/networks/cbr0" "$states/networks/k8s-pod-network"
  else
    for file in $own_plugins; do rm -f "$plugins/$file"; done
    rm -rf "$states"
  fi
  rmdir "$configs" "$root/etc/cni" "$plugins" "$root/opt/cni" 2>/dev/null
  for folder in /etc/kubernetes /var/lib/calico /run/calico /run/flannel /var/lib/cri-dockerd /var/lib/rancher/rke \
    /var/log/containers /var/log/pods /var/log/kube-audit /opt/rke/etcd-snapshots-restore; do
    rm -rf "$root$folder"
  done
  for folder in /var/lib/etcd /var/lib/kubelet; do
    [ ! -d "$root$folder" ] || find "$root$folder" -mindepth 1 -delete
  done
  rmdir "$root/var/lib/rancher" "$root/opt/rke/etcd-snapshots" "$root/opt/rke" 2>/dev/null
  # Ours is held on until the end of this run; see the lock's own words on a file that is gone.
  rm -f "$root"/tmp/cowhand-*.lock
}
[ "$step" = look ] || take_away
foreign=$(foreign_configs)

echo "== left"
if there=$(docker ps -a --format '{{.Names}}' 2>&1); then
  {
    printf '%s\n' "$there" | of_cluster
    docker ps -a --filter label=io.kubernetes.pod.name --format '{{.Names}}'
    docker ps -a --filter label=io.rancher.rke.container.name --format '{{.Names}}'
  } | sort -u | sed 's/^/container /'
else
  printf 'perhaps containers: docker ps fails: %s\n' "$(printf '%s' "$there" | tr '\n' ' ')"
fi
mounts | sed 's/^/mount /'
ip -o link show 2>/dev/null | cluster_links | sed 's/^/link /'
ip route show 2>/dev/null | pod_routes | sed 's/^/route /'
for family in iptables ip6tables; do
  all=$(save "$family") || continue
  count=$(printf '%s\n' "$all" | grep -c '^:KUBE-')
  [ "$count" = 0 ] || echo "$family $count chains KUBE-*"
done
for folder in /etc/kubernetes /var/lib/calico /var/lib/rancher/rke; do
  [ ! -e "$root$folder" ] || echo "folder $folder"
done
[ -n "$foreign" ] || [ ! -e "$states" ] || echo "folder /var/lib/cni"
for folder in /var/lib/etcd /var/lib/kubelet /run/calico /run/flannel /var/lib/cri-dockerd /var/log/containers /var/log/pods; do
  [ -z "$(ls -A "$root$folder" 2>/dev/null)" ] || echo "files in $folder"
done
for lock in "$root"/tmp/cowhand-*.lock; do
  # While this only looks, its own run holds one.
  [ "$step" = look ] || [ ! -e "$lock" ] || echo "file ${lock#"$root"}"
done
[ ! -e "$kept" ] || echo "folder /var/lib/cowhand-kept: another network's files, taken aside before rke remove"
for folder in /etc/cni /opt/cni; do
  [ ! -e "$root$folder" ] || find "$root$folder" -type f | sed "s|^$root|kept |; s|\$|, which is not RKE's|"
done
for path in "$root/var/lib/rancher"/* "$root/opt/rke"/*; do
  [ ! -e "$path" ] || echo "kept ${path#"$root"}"
done
exit 0
