# What `rke remove` leaves on a node: pods' containers, their mounts, network and rules. Run as root by `cowhand down`.
# etcd snapshots in /opt/rke/etcd-snapshots stay: they may be the last copy of somebody's cluster.
set -u
left=$(docker ps -aq --filter label=io.kubernetes.pod.name)
[ -z "$left" ] || docker rm -fv $left >/dev/null
for name in $(docker ps -a --filter label=io.rancher.rke.container.name --format '{{.Names}}'); do
  docker rm -fv "$name" >/dev/null
done
for name in etcd kubelet kube-proxy kube-apiserver kube-controller-manager kube-scheduler nginx-proxy service-sidekick \
  etcd-rolling-snapshots rke-etcd-port-listener rke-cp-port-listener rke-worker-port-listener rke-port-checker \
  cert-deployer cert-fetcher cluster-state-deployer file-deployer etcd-fix-perm rke-bundle-cert rke-log-linker \
  rke-log-cleaner kube-cleaner etcd-Serve-backup etcd-checksum-checker etcd-restore etcd-download-backup; do
  docker rm -fv "$name" >/dev/null 2>&1
done
awk '$2 ~ "^/var/lib/kubelet/" {print length($2), $2}' /proc/mounts | sort -rn | while read -r _ mount; do umount "$mount" 2>/dev/null || umount -l "$mount"; done
for link in cni0 flannel.1 kube-ipvs0 tunl0; do
  ip link delete "$link" 2>/dev/null
done
ip -o link show 2>/dev/null | sed -n 's/^[0-9]*: \(cali[^@:]*\|veth[0-9a-f]\{8\}\)[@:].*/\1/p' | while read -r link; do ip link delete "$link" 2>/dev/null; done
ip route show 2>/dev/null | awk '$1 ~ "^10\\.42\\." {print $1}' | while read -r route; do ip route delete "$route" 2>/dev/null; done
for family in iptables ip6tables; do
  command -v "$family-save" >/dev/null 2>&1 || continue
  rules=$("$family-save" 2>/dev/null | grep -vE 'KUBE-|CNI-|cali-|CNI-HOSTPORT|10\.42\.0\.0/16') && printf '%s\n' "$rules" | "$family-restore" 2>/dev/null
done
rm -rf /etc/kubernetes /etc/cni /opt/cni /var/lib/cni /var/lib/calico /run/calico /run/flannel /var/lib/cri-dockerd /var/lib/rancher/rke /var/log/containers /var/log/pods /var/log/kube-audit
for folder in /var/lib/etcd /var/lib/kubelet; do
  [ ! -d "$folder" ] || find "$folder" -mindepth 1 -delete
done
rmdir /var/lib/rancher /opt/rke 2>/dev/null
echo "== left"
docker ps -a --format '{{.Names}}' | grep -E '^(k8s_|etcd|kube|rke-|nginx-proxy|service-sidekick)' | sed 's/^/container /'
for path in /etc/kubernetes /etc/cni /opt/cni /var/lib/rancher; do
  [ ! -e "$path" ] || echo "folder $path"
done
for folder in /var/lib/etcd /var/lib/kubelet; do
  [ -z "$(ls -A "$folder" 2>/dev/null)" ] || echo "files in $folder"
done
[ -z "$(ls -A /opt/rke/etcd-snapshots 2>/dev/null)" ] || echo "kept /opt/rke/etcd-snapshots"
exit 0
