# The sample stack of `cargo xtask demo`: no provider, no cloud, no download.

terraform {
  required_version = ">= 1.4"
}

variable "servers" {
  type    = list(string)
  default = ["web-1", "web-2", "db-1"]
}

resource "terraform_data" "server" {
  for_each = toset(var.servers)
  input    = each.key
}

output "servers" {
  value = sort([for server in terraform_data.server : server.output])
}
