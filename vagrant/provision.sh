#!/bin/sh
# Makes a fresh Debian box a machine that cowhand can take: Docker, a user with a key, names for its neighbours.
# Words: the public key of the user `rancher`, the first three numbers of the machines' network. Running it again changes nothing.
# Not run where cowhand is built: there are no virtual machines there.
set -eu
key=$1 subnet=$2
export DEBIAN_FRONTEND=noninteractive

if ! command -v dockerd >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends docker.io iptables ca-certificates curl
fi
systemctl enable --now docker

# what the kubelet and kube-proxy need of the kernel
printf 'br_netfilter\noverlay\n' >/etc/modules-load.d/cowhand.conf
modprobe -a br_netfilter overlay
printf 'net.bridge.bridge-nf-call-iptables = 1\nnet.ipv4.ip_forward = 1\n' >/etc/sysctl.d/90-cowhand.conf
sysctl -q --system
swapoff -a
sed -i '/\sswap\s/s/^\([^#]\)/#\1/' /etc/fstab

id rancher >/dev/null 2>&1 || useradd -m -s /bin/bash rancher
usermod -aG docker rancher
echo 'rancher ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/rancher
chmod 440 /etc/sudoers.d/rancher
install -d -m 700 -o rancher -g rancher /home/rancher/.ssh
touch /home/rancher/.ssh/authorized_keys
grep -qxF "$key" /home/rancher/.ssh/authorized_keys || echo "$key" >>/home/rancher/.ssh/authorized_keys
chown rancher:rancher /home/rancher/.ssh/authorized_keys
chmod 600 /home/rancher/.ssh/authorized_keys

# a box may name itself by a loopback address; the other machines have to be known by their real ones
sed -i "/^127\.0\.[0-9.]*[[:space:]]\+$(hostname)\b/d" /etc/hosts
for n in 1 2 3; do
  grep -q "^$subnet.1$n node$n\$" /etc/hosts || echo "$subnet.1$n node$n" >>/etc/hosts
done
