//! Rules about other machines: clusters, clouds, hosted services, and the sending of data.

use super::row::table;

table! {
    // Infrastructure.
    "tf-destroy" ["terraform" "tofu" "terragrunt" "terraform-docs"] ["destroy|apply|import|taint|untaint|force-unlock|run-all|refresh" "**"] [] L3 Infra "changes or destroys real infrastructure" "`plan`, and let a person apply";
    "tf-state" ["terraform" "tofu" "terragrunt"] ["state|workspace" "rm|mv|push|replace-provider|delete"] [] L3 Infra "changes what the tool knows of real infrastructure" "let a person do it";
    "tf-output" ["terraform" "tofu"] ["output|state" "**"] ["-raw" "-json" "pull"] L3 Secrets "prints values of the state, which hold secrets" "name a value that is no secret";
    "pulumi" ["pulumi"] ["up|update|destroy|cancel|stack|state|import|refresh" "**"] [] L3 Infra "changes or destroys real infrastructure" "`pulumi preview`";
    "cdk" ["cdk" "cdktf" "sst" "serverless" "sls" "sam" "amplify" "copilot-cli" "chalice" "zappa" "eb" "ecs-cli"] ["deploy|destroy|remove|delete|terminate|undeploy|push|swap" "**"] [] L3 Infra "changes or destroys real infrastructure" "`diff` or `synth`, and let a person deploy";
    "ansible" ["ansible-playbook" "ansible" "salt" "salt-ssh" "chef-client" "knife" "puppet" "fab" "cap" "nixos-rebuild" "packer" "vagrant" "kamal" "capistrano"] [] [] L3 Infra "changes machines" "`--check`, and let a person run it";
    "kubectl" ["kubectl" "oc" "k" "k3s" "microk8s"] ["delete|apply|create|replace|patch|edit|scale|drain|cordon|uncordon|taint|rollout|set|label|annotate|run|expose|autoscale|debug|cp|exec|attach|adm|certificate|auth" "**"] [] L3 Infra "changes a cluster" "`kubectl diff` or `get`, and let a person apply";
    "k9s" ["k9s" "lens" "rancher" "nomad" "consul" "etcdctl"] [] [] L3 Infra "changes a cluster" "`kubectl get`, and let a person change it";
    "kubectl-secret" ["kubectl" "oc" "k"] ["get|describe" "secret*|*,secret*"] [] L3 Secrets "prints secrets of a cluster" "let a person do it";
    "kubectl-config" ["kubectl" "oc" "k"] ["config" "view"] ["--raw" "--flatten"] L3 Secrets "prints the credentials of a cluster" "`kubectl config view`";
    "kubectl-look" ["kubectl" "oc" "k"] [] [] L2 Network "speaks to a cluster" "";
    "helm" ["helm" "helmfile" "kustomize-controller" "argocd" "flux" "istioctl" "linkerd" "eksctl" "kops" "kubeadm" "skaffold" "tilt" "werf"] ["install|upgrade|uninstall|delete|rollback|apply|sync|destroy|create|app|suspend|reset|deploy|run|dev|init|scale|reconcile" "**"] [] L3 Infra "changes a cluster" "`helm template` or `diff`, and let a person apply";
    "docker-wipe" ["docker" "podman" "nerdctl"] ["system|volume|image|container|builder|network|buildx" "prune|rm|remove"] [] L3 Delete "deletes images, containers or data for good" "name the one that you have made, and let a person delete it";
    "docker-reset" ["docker" "podman" "nerdctl"] ["system|machine|volume|image|pod|swarm|context" "reset|rm|leave|prune|remove|stop-all"] [] L3 Delete "deletes images, containers or data for good" "let a person do it";
    "docker-rm" ["docker" "podman" "nerdctl"] ["rm|rmi|kill"] ["-f" "--force" "-v" "--volumes" "-a" "kill"] L3 Delete "deletes containers with their data" "`docker stop NAME`";
    "docker-down" ["docker" "podman" "docker-compose" "podman-compose"] ["compose|down|rm" "**"] ["-v" "--volumes" "--rmi"] L3 Delete "deletes the data of the services" "`down` without `-v`";
    "docker-host" ["docker" "podman" "nerdctl"] ["run|create|exec|container" "**"] ["--privileged" "*/:/*" "/:/*" "--pid=host" "--net=host" "--network=host" "--cap-add" "*docker.sock*" "--device" "--userns=host"] L3 Privilege "gives a container the rights of the machine" "mount the workspace only";
    "docker-login" ["docker" "podman" "helm" "buildah"] ["login|logout|registry|swarm|stack|service|secret|context|plugin|node" "**"] [] L3 Infra "changes an account, a cluster or a service" "let a person do it";
    "docker-net" ["docker" "podman"] ["pull|build|buildx|compose|run|search|create" "**"] [] L2 Network "runs containers or loads images" "";
    "aws-destroy" ["aws"] ["*" "delete*|terminate*|remove*|deregister*|purge*|stop*|reboot*|disable*|detach*|revoke*|release*|cancel*|reset*|rb|rm|mv|sync|cp"] [] L3 Infra "deletes or changes resources of the cloud" "`describe-*` or `--dryrun`, and let a person do it";
    "aws-change" ["aws"] ["*" "create*|put*|update*|modify*|run*|start*|attach*|associate*|authorize*|set*|deploy*|invoke*|execute*|publish*|send*|register*|import*|restore*|mb|tag*|untag*|add*|enable*|package"] [] L3 Infra "changes resources of the cloud" "`describe-*`, and let a person do it";
    "aws-secret" ["aws"] ["secretsmanager|ssm|sts|configure|kms|iam|ecr|cognito-idp" "get-secret*|get-parameter*|get-session*|assume*|get|export*|decrypt|set|get-login*|list-access*|create*|get-authorization*"] [] L3 Secrets "prints or changes credentials" "let a person do it";
    "aws-look" ["aws"] [] [] L2 Network "speaks to the cloud" "";
    "gcloud-change" ["gcloud" "gsutil" "bq" "firebase"] ["**" "delete|create|update|deploy|remove*|set*|add*|reset|stop|start|rm|rb|cp|mv|rsync|disable|enable|destroy|patch|import|export|restore|resize|replace|kill|rollback|hosting:disable|firestore:delete|functions:delete|database:remove|projects:delete|database:set|ssh|scp"] [] L3 Infra "changes resources of the cloud" "`describe` or `list`, and let a person do it";
    "gcloud-secret" ["gcloud"] ["**" "print-access-token|print-identity-token|access|login|get-credentials|activate-service-account"] [] L3 Secrets "prints or changes credentials" "let a person do it";
    "az-change" ["az"] ["**" "delete|create|update|purge|remove|deploy|start|stop|restart|set|add|deallocate|import|failover|up|invoke|upload|upload-batch|delete-batch|reset*|download*|assign"] [] L3 Infra "changes resources of the cloud" "`show` or `list`, and let a person do it";
    "az-secret" ["az"] ["**" "login|get-access-token|list-keys|show-connection-string|get-credentials|keys|secret"] [] L3 Secrets "prints or changes credentials" "let a person do it";
    "cloud-look" ["gcloud" "gsutil" "bq" "az" "firebase" "doctl" "linode-cli" "hcloud" "scw" "oci" "ibmcloud"] [] [] L2 Network "speaks to the cloud" "";
    "cloud-change" ["doctl" "linode-cli" "hcloud" "scw" "oci" "ibmcloud" "vultr-cli" "civo" "openstack" "aliyun" "tccli" "exo"] ["**" "delete|create|rm|destroy|remove|terminate|reset|rebuild|poweroff|shutdown|update|resize|detach*|power-off|delete*|terminate*|deploy|apply|disable"] [] L3 Infra "changes resources of the cloud" "`list`, and let a person do it";
    "hosting" ["heroku"] ["*destroy*|*reset*|pg:*|config:set|config:unset|config|ps:*|maintenance:*|addons:*|apps:*|run|run:*|releases:rollback|access:*|container:*|domains:*|auth:*|pipelines:*|dyno:*"] [] L3 Infra "changes an app that others use, or shows its secrets" "let a person do it";
    "hosting-fly" ["fly" "flyctl"] ["deploy|destroy|apps|volumes|volume|machine|machines|m|secrets|scale|postgres|pg|ssh|ips|certs|tokens|auth|restart|suspend|mpg|launch|console" "**"] [] L3 Infra "changes an app that others use" "let a person do it";
    "hosting-railway" ["railway"] ["down|delete|up|redeploy|volume|variables|environment|service|run|ssh|deploy|unlink|database|add|restart|connect|shell" "**"] [] L3 Infra "changes an app that others use" "let a person do it";
    "hosting-vercel" ["vercel" "vc" "now"] ["remove|rm|env|domains|dns|alias|promote|rollback|project|secrets|certs|deploy|link|teams|redeploy|pull|integration|login|logout" "**"] [] L3 Infra "changes an app that others use" "let a person do it";
    "hosting-vercel-prod" ["vercel" "vc" "now"] [] [] L3 Publish "deploys an app that others use" "`vercel build`, and let a person deploy";
    "hosting-other" ["netlify" "ntl" "wrangler" "surge" "gh-pages" "render" "deployctl" "gcloud-run" "dokku" "shipit" "cf" "platform" "aptible" "scalingo" "clever" "northflank" "koyeb" "zeabur" "appwrite" "pm2-deploy" "mrsk"] ["deploy|delete|secret|env:*|env|sites:delete|api|pages|r2|d1|kv:*|kv|publish|push|destroy|apps:destroy|rollback|services|up|remove|down|queues|tail|versions|triggers|workers|login|logout|config:*|ps:*|scale|restart|restage|unbind-service|delete-*" "**"] [] L3 Infra "changes an app that others use" "let a person do it";
    "deploy-tools" ["surge" "gh-pages" "deployctl" "rsync-deploy"] [] [] L3 Publish "publishes files" "let a person do it";

    // Hosts of code.
    "gh-change" ["gh" "glab" "hub" "tea"] ["pr|mr|issue|release|repo|workflow|run|gist|secret|variable|label|project|ssh-key|gpg-key|cache|codespace|ruleset|environment|deploy-key|milestone|discussion|snippet|ci|token" "create|new|merge|close|delete|edit|comment|reopen|review|ready|upload|fork|rename|archive|unarchive|sync|set|remove|enable|disable|rerun|cancel|add|transfer|pin|unpin|lock|unlock|approve|revoke|clone-all|link|unlink|note|update|delete-asset|stop|rebuild|ssh|develop|run|trigger|retry|deploy-key|autolink|set-default|item-*|field-*|copy|mark-template|close*|update-branch"] [] L3 Publish "changes what others see" "write it to a file, and let a person publish it";
    "gh-api-write" ["gh" "glab"] ["api" "**"] ["-X" "--method" "-f" "-F" "--field" "--raw-field" "--input" "graphql"] L3 Publish "may change what others see" "`gh api` without a method, which only reads";
    "gh-auth" ["gh" "glab"] ["auth" "token|login|logout|refresh|setup-git"] [] L3 Secrets "prints or changes credentials" "let a person do it";
    "gh-auth-show" ["gh"] ["auth" "status"] ["-t" "--show-token"] L3 Secrets "prints credentials" "`gh auth status`";
    "gh-extension" ["gh"] ["extension|alias" "install|set|upgrade|import|exec"] [] L3 Install "installs code from a place that no registry checks" "let a person do it";
    "hub-push" ["hub"] ["push|pull-request|release|fork|create|delete" "**"] [] L3 Publish "changes what others see" "let a person do it";
    "stripe" ["stripe" "twilio" "sendgrid" "mail" "mailx" "mutt" "sendmail" "msmtp" "swaks" "slack" "slackcat" "ntfy" "telegram-send" "wall" "write" "paypal" "shopify" "square"] [] [] L3 Publish "sends messages or moves money" "let a person do it";

    // Sending data, and other machines.
    "send-copy" ["scp" "sftp" "rclone" "s3cmd" "ftp" "lftp" "tftp" "rcp" "croc" "magic-wormhole" "wormhole" "transfer" "ffsend" "termbin" "pastebinit" "gist" "sprunge" "mc" "azcopy" "s5cmd" "restic" "borg" "duplicity" "syncthing"] [] [] L3 Exfiltration "copies files to or from another machine" "let a person copy them";
    "send-listen" ["nc" "ncat" "netcat" "nc.openbsd" "nc.traditional"] [] ["-e" "-c" "--exec" "--sh-exec" "-l" "--listen"] L3 RemoteCode "opens this machine to others" "let a person do it";
    "send-netcat" ["nc" "ncat" "netcat" "socat" "telnet" "nc.openbsd" "nc.traditional" "websocat" "openvpn" "cryptcat"] [] [] L3 Exfiltration "opens a bare connection to another machine" "`curl`, which says what it does";
    "send-netcat-look" ["nc" "ncat" "netcat" "nc.openbsd"] [] ["-z" "-zv" "-vz"] L2 Network "asks whether a port is open" "";
    "send-tunnel" ["ngrok" "cloudflared" "localtunnel" "lt" "bore" "frpc" "chisel" "tailscale" "zrok" "pinggy" "serveo" "localxpose"] [] [] L3 Exfiltration "opens this machine to others" "let a person do it";
    "send-ssh" ["ssh" "mosh" "autossh" "slogin" "rsh" "rlogin" "pssh" "parallel-ssh" "sshpass" "et" "teleport" "tsh" "dbclient"] [] [] L3 Infra "works on another machine" "let a person do it";
    "scan" ["nmap" "masscan" "hydra" "sqlmap" "nikto" "metasploit" "msfconsole" "msfvenom" "john" "hashcat" "aircrack-ng" "responder" "mimikatz" "gobuster" "ffuf" "wfuzz" "zmap" "ettercap" "arpspoof"] [] [] L3 Exfiltration "attacks or scans other machines" "let a person do it";
    "curl-script" ["curl" "wget"] [] ["-k" "--insecure" "--no-check-certificate"] L2 Network "speaks to a machine without knowing that it is the right one" "";
    "network" ["ping" "ping6" "dig" "host" "nslookup" "drill" "traceroute" "mtr" "whois" "curl" "wget" "http" "https" "xh" "gh" "glab" "aria2c" "lynx" "w3m" "links" "grpcurl" "httpie" "curlie" "iperf3" "fetch" "axel"] [] [] L2 Network "speaks to another machine" "";
}
