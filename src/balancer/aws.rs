//! AWS as Terraform: an ALB for mode external, an NLB otherwise, and Rancher's name in Route 53.
//!
//! Nothing of this has run: a test parses it, no more. Facts: the Elastic Load Balancing user guides (health checks and
//! idle timeouts of ALB and NLB), the provider's documentation of `aws_lb*` and `aws_route53_*`.

use super::{Front, Layer, Refused};
use crate::inventory::TlsMode;

/// The whole Terraform file. Targets are addresses, so every node needs one.
pub fn aws(front: &Front) -> Result<String, Refused> {
    let mut nodes = String::new();
    let width = front.targets.iter().map(|node| node.name().len()).max().unwrap_or_default() + 2;
    for node in &front.targets {
        nodes += &format!("    {:width$} = \"{}\"\n", format!("\"{}\"", node.name()), node.ip()?);
    }
    let body = match front.layer {
        Layer::Four => network(),
        Layer::Seven => application(),
    };
    let certificate = match front.layer {
        Layer::Four => "",
        Layer::Seven => CERTIFICATE,
    };
    Ok(heading(front) + VARIABLES + &ping(front) + certificate + &locals(front, &nodes) + SECURITY + &body + NAMES)
}

fn heading(front: &Front) -> String {
    let mut lines: Vec<String> = [
        "NOT RUN: this text was parsed, never applied. Read it before you do.",
        "",
        "Place it as main.tf in a folder of its own, then",
        "  terraform init && terraform validate",
        "  terraform plan      # asks for vpc_id, subnet_ids and zone_id",
        "  cowhand verify      # from outside, when it is applied",
        "The nodes' own security group has to let the one made here in.",
    ]
    .map(String::from)
    .to_vec();
    if front.layer == Layer::Seven {
        lines.extend(
            [
                "",
                "An ALB's addresses change, and the ingress believes forwarded headers from `load_balancers` only: let it believe the",
                "ALB's subnets, in the inventory as",
                "  ingress: {values: {ports: {web: {forwardedHeaders: {trustedIPs: [10.0.1.0/24, 10.0.2.0/24]}}}}}   # Traefik",
                "  engine: {rke: {cluster: {ingress: {options: {proxy-real-ip-cidr: \"10.0.1.0/24,10.0.2.0/24\"}}}}}   # RKE's nginx",
            ]
            .map(String::from),
        );
    }
    front.heading("aws", &lines)
}

const VARIABLES: &str = r#"
terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.82"
    }
  }
}

variable "vpc_id" {
  description = "The VPC of the nodes"
  type        = string
}

variable "subnet_ids" {
  description = "Subnets for the balancer, in at least two availability zones"
  type        = list(string)
}

variable "zone_id" {
  description = "The hosted zone of Route 53 that Rancher's name belongs to"
  type        = string
}

variable "internal" {
  description = "Whether the balancer is for the VPC only"
  type        = bool
  default     = false
}

variable "clients" {
  description = "Networks that users and agents come from"
  type        = list(string)
  default     = ["0.0.0.0/0"]
}
"#;

const CERTIFICATE: &str = r#"
variable "certificate_arn" {
  description = "The certificate in ACM, with its intermediates, that covers Rancher's name"
  type        = string
}
"#;

fn locals(front: &Front, nodes: &str) -> String {
    format!(
        r#"
locals {{
  hostname = "{hostname}"
  nodes = {{
{nodes}  }}
}}
"#,
        hostname = front.hostname(),
    )
}

const SECURITY: &str = r#"
resource "aws_security_group" "balancer" {
  description = "The balancer in front of Rancher"
  vpc_id      = var.vpc_id

  dynamic "ingress" {
    for_each = [80, 443]
    content {
      from_port   = ingress.value
      to_port     = ingress.value
      protocol    = "tcp"
      cidr_blocks = var.clients
    }
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
"#;

/// AWS names the node's address as Host and cannot be told another one, and the ingress knows Rancher by its name only:
/// nobody but an Ingress without a host leads that question to Rancher.
fn ping(front: &Front) -> String {
    let tls = &front.inventory.rancher.tls;
    // Rancher's plain port is switched off where the ingress encrypts again (chart value service.disableHTTP).
    let again = tls.mode == TlsMode::Rancher && !tls.passthrough;
    let port = if again { 443 } else { 80 };
    let annotations = match again {
        true => "\n#   annotations: {nginx.ingress.kubernetes.io/backend-protocol: HTTPS}",
        false => "",
    };
    format!(
        r#"
# Whether Rancher answers the balancer's own health checks. AWS sends the node's address as Host, which the ingress does not
# know: by itself it answers 404, which shows that the ingress is well, and nothing of Rancher. With this object in the
# cluster (kubectl apply -f) Rancher answers `pong`; then set rancher_is_asked = true, and only 200 counts.
# apiVersion: networking.k8s.io/v1
# kind: Ingress
# metadata:
#   name: rancher-ping
#   namespace: cattle-system{annotations}
# spec:
#   ingressClassName: {class}
#   rules: [{{http: {{paths: [{{path: /ping, pathType: Exact, backend: {{service: {{name: rancher, port: {{number: {port}}}}}}}}}]}}}}]
variable "rancher_is_asked" {{
  description = "Whether the Ingress above is in the cluster, so that Rancher itself answers the health checks"
  type        = bool
  default     = false
}}
"#,
        class = front.inventory.ingress.class,
    )
}

fn health(protocol: &str) -> String {
    format!(
        r#"
  health_check {{
    protocol            = "{protocol}"
    path                = "/ping"
    matcher             = var.rancher_is_asked ? "200" : "200,404"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }}
}}
"#
    )
}

fn attachment(of: &str, port: u16) -> String {
    format!(
        r#"
resource "aws_lb_target_group_attachment" "{of}" {{
  for_each         = local.nodes
  target_group_arn = aws_lb_target_group.{of}.arn
  target_id        = each.value
  port             = {port}
}}
"#
    )
}

fn application() -> String {
    let mut text = r#"
resource "aws_lb" "rancher" {
  load_balancer_type   = "application"
  internal             = var.internal
  subnets              = var.subnet_ids
  security_groups      = [aws_security_group.balancer.id]
  preserve_host_header = true
  # The longest that an ALB allows: WebSockets of agents and shells may be silent for long.
  idle_timeout = 4000
}

resource "aws_lb_target_group" "http" {
  port                 = 80
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 30
"#
    .to_owned();
    text += &health("HTTP");
    text += &attachment("http", 80);
    text += r#"
resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.rancher.arn
  port              = 443
  protocol          = "HTTPS"
  # TLS 1.2 and 1.3
  ssl_policy      = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.http.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.rancher.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"
    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}
"#;
    text
}

fn network() -> String {
    let mut text = r#"
resource "aws_lb" "rancher" {
  load_balancer_type               = "network"
  internal                         = var.internal
  subnets                          = var.subnet_ids
  security_groups                  = [aws_security_group.balancer.id]
  enable_cross_zone_load_balancing = true
}
"#
    .to_owned();
    for (name, port) in [("https", 443), ("http", 80)] {
        text += &format!(
            r#"
resource "aws_lb_target_group" "{name}" {{
  port                 = {port}
  protocol             = "TCP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 30
  # Or a node could not reach Rancher through the balancer that leads back to it.
  preserve_client_ip = false
"#
        );
        text += &health("HTTPS").replace("    path ", "    port                = \"443\"\n    path ");
        text += &attachment(name, port);
        text += &format!(
            r#"
resource "aws_lb_listener" "{name}" {{
  load_balancer_arn = aws_lb.rancher.arn
  port              = {port}
  protocol          = "TCP"
  # WebSockets of agents and shells may be silent for long.
  tcp_idle_timeout_seconds = 6000

  default_action {{
    type             = "forward"
    target_group_arn = aws_lb_target_group.{name}.arn
  }}
}}
"#
        );
    }
    text
}

const NAMES: &str = r#"
resource "aws_route53_record" "rancher" {
  zone_id = var.zone_id
  name    = local.hostname
  type    = "A"

  alias {
    name                   = aws_lb.rancher.dns_name
    zone_id                = aws_lb.rancher.zone_id
    evaluate_target_health = true
  }
}

# Rancher itself, asked from the world; for a balancer that the world cannot reach there is none. It hangs on no record on
# purpose: Route 53 goes by a record's health check only to choose between several records, and the one above goes by the
# balancer's health. It is there to be told by: make an alarm of its metric HealthCheckStatus (CloudWatch, us-east-1).
resource "aws_route53_health_check" "rancher" {
  count             = var.internal ? 0 : 1
  type              = "HTTPS_STR_MATCH"
  fqdn              = local.hostname
  port              = 443
  resource_path     = "/ping"
  search_string     = "pong"
  enable_sni        = true
  request_interval  = 30
  failure_threshold = 3
}

output "balancer" {
  description = "The balancer's own name"
  value       = aws_lb.rancher.dns_name
}
"#;
