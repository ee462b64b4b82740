//! Rules about git, databases, packages and what a project's own tools do.

use super::row::table;

table! {
    // History and uncommitted work.
    "git-push-force" ["git"] ["push"] ["-f" "--force" "--force-with-lease" "--mirror" "--prune" "+*"] L3 History "overwrites what others have on the remote" "push without force, or let a person do it";
    "git-push-delete" ["git"] ["push"] ["-d" "--delete" ":*"] L3 History "deletes a branch or a tag on the remote" "let a person delete it";
    "git-push" ["git"] ["push"] [] L3 Publish "changes what others see" "leave the commits on a branch and let a person push";
    "git-reset-hard" ["git"] ["reset"] ["--hard" "--merge"] L3 History "throws uncommitted work away" "`git stash` first, or `git reset --keep`";
    "git-clean" ["git"] ["clean"] ["-f" "--force"] L3 Delete "deletes files that git does not know, for good" "`git clean -n` shows them; delete what you have made by name";
    "git-checkout-force" ["git"] ["checkout|switch"] ["-f" "--force" "--discard-changes"] L3 History "throws uncommitted work away" "commit or `git stash` first";
    "git-checkout-all" ["git"] ["checkout" "**" ".|:/"] ["--"] L3 History "throws uncommitted changes away" "name one file, or `git stash` first";
    "git-checkout-dot" ["git"] ["checkout" ".|:/"] [] L3 History "throws all uncommitted changes away" "`git stash` keeps them";
    "git-stash-drop" ["git"] ["stash" "drop|clear"] [] L3 History "throws stashed work away" "leave it in the stash";
    "git-branch-delete" ["git"] ["branch"] ["-D"] L3 History "deletes a branch although it is not merged" "`git branch -d`, which refuses that";
    "git-branch-force" ["git"] ["branch"] ["-f" "--force" "-M"] L3 History "moves a branch away from its commits" "make a new branch";
    "git-filter" ["git"] ["filter-branch|filter-repo"] [] L3 History "rewrites all history" "let a person do it";
    "git-filter-repo" ["git-filter-repo" "bfg"] [] [] L3 History "rewrites all history" "let a person do it";
    "git-reflog" ["git"] ["reflog" "expire|delete"] [] L3 History "removes the last way back to lost commits" "leave it";
    "git-gc" ["git"] ["gc|prune"] ["--prune=now" "--prune=all" "--expire=now" "--expire" "--aggressive"] L3 History "removes the last way back to lost commits" "`git gc` without it";
    "git-prune" ["git"] ["prune"] [] L3 History "removes the last way back to lost commits" "`git gc`";
    "git-ref" ["git"] ["update-ref|symbolic-ref"] ["-d" "--delete" "--stdin"] L3 History "removes a branch or tag without a check" "`git branch -d`";
    "git-update-ref" ["git"] ["update-ref"] [] L2 History "moves a branch without a check" "";
    "git-worktree" ["git"] ["worktree" "remove|prune"] ["-f" "--force"] L3 History "deletes a worktree with uncommitted work" "`git worktree remove` without force";
    "git-submodule" ["git"] ["submodule" "deinit"] ["-f" "--force"] L3 History "deletes a submodule with uncommitted work" "without force";
    "git-rm-all" ["git"] ["rm" ".|:/"] [] L3 Delete "deletes every file of the project" "name the files";
    "git-rm-force" ["git"] ["rm"] ["-f" "--force"] L2 Delete "deletes files with changes that are not committed" "";
    "git-tag-delete" ["git"] ["tag"] ["-d" "--delete"] L2 History "deletes a tag here" "";
    "git-rebase" ["git"] ["rebase"] [] L2 History "rewrites commits that are only here" "";
    "git-amend" ["git"] ["commit"] ["--amend"] L2 History "rewrites the last commit" "";
    "git-no-verify" ["git"] ["commit|merge|push"] ["--no-verify"] L2 Guard "skips the checks of the project" "";
    "git-remote" ["git"] ["remote" "add|set-url|rename"] [] L2 Network "changes where commits go" "";
    "git-remote-remove" ["git"] ["remote" "remove|rm"] [] L3 History "forgets a remote and all its branches here" "let a person do it";
    "git-credential" ["git"] ["credential|credential-store|credential-cache" "**"] [] L3 Secrets "prints or keeps credentials" "let a person do it";
    "git-config-global" ["git"] ["config"] ["--global" "--system"] L3 Persistence "changes git for every project of the user" "`git config` without it, or `git -c`";
    "git-network" ["git"] ["clone|fetch|pull|ls-remote|remote" "**"] [] L2 Network "speaks to a git server" "";
    "git-sub-network" ["git"] ["submodule" "update|add"] [] L2 Network "speaks to a git server" "";
    "git-send" ["git"] ["send-email|request-pull|svn|p4" "**"] [] L3 Publish "sends commits to others" "let a person do it";
    "hg-strip" ["hg"] ["strip|purge|push|rollback"] [] L3 History "rewrites history or changes the remote" "let a person do it";
    "jj-abandon" ["jj"] ["abandon|op|git" "**" "push|abandon"] [] L3 History "changes the remote or drops operations" "let a person do it";

    // Databases.
    "db-drop" ["dropdb" "dropuser" "mysqladmin" "reset_db"] [] [] L3 Database "drops a database or a role" "work on a copy";
    "db-redis" ["redis-cli" "valkey-cli" "keydb-cli"] ["**" "flushall|flushdb|shutdown|script|debug|cluster|failover|replicaof|slaveof|migrate|restore|rename|ltrim|eval"] [] L3 Database "empties the store" "work on a copy";
    "db-redis-del" ["redis-cli" "valkey-cli"] ["**" "del|unlink|config"] [] L3 Database "deletes keys of the store" "work on a copy";
    "db-migrations" ["goose" "migrate" "dbmate" "sqlx" "diesel" "sea-orm-cli" "sqitch" "tern" "geni" "skeema" "yoyo" "aerich" "piccolo" "knex" "phinx" "evolve" "refinery" "umzug" "dbmigrate" "migra"] ["**" "down*|drop*|revert*|redo|reset*|fresh|refresh|rollback*|clean|force|*:down|undo"] [] L3 Database "takes migrations back with their data" "work on a copy";
    "db-postgres" ["pg_resetwal" "pg_dropcluster" "pg_rewind" "initdb" "pg_archivecleanup" "pg_repack" "myisamchk" "mysql_upgrade" "rabbitmqctl" "rabbitmqadmin"] [] [] L3 Database "works below a database" "let a person do it";
    "db-flyway-build" ["mvn" "mvnw" "gradle" "gradlew" "sbt"] ["**" "*flyway*clean*|*liquibase*drop*|*flyway*undo*|*liquibase*rollback*|*dropall*"] [] L3 Database "drops everything in the schema" "work on a copy";
    "db-hdfs" ["hdfs" "hadoop"] [] ["-rm*" "-expunge" "-format" "-delete*" "-truncate"] L3 Delete "deletes files that others use" "let a person do it";
    "db-prisma" ["prisma"] ["migrate" "reset"] [] L3 Database "drops and makes the database anew" "`prisma migrate dev` on a copy";
    "db-prisma-push" ["prisma"] ["db" "push"] ["--force-reset" "--accept-data-loss"] L3 Database "drops data that does not fit" "`prisma migrate dev`";
    "db-prisma-exec" ["prisma"] ["db" "execute"] [] L3 Database "runs SQL that is not seen here" "let a person do it";
    "db-rails" ["rails" "rake" "bin/rails"] ["db:drop*|db:reset*|db:purge*|db:schema:load*|db:truncate*|db:migrate:reset*|db:rollback*"] [] L3 Database "drops data of the database" "work on the test database only";
    "db-django" ["manage.py" "django-admin"] ["**" "flush|reset_db|sqlflush"] [] L3 Database "empties the database" "work on a copy";
    "db-django-zero" ["manage.py" "django-admin"] ["migrate" "*" "zero"] [] L3 Database "takes all migrations back with their data" "work on a copy";
    "db-console" ["symfony" "console" "bin/console" "dotnet" "ef" "cake" "spark"] ["**" "doctrine:database:drop|doctrine:schema:drop|drop|migrate:rollback|migrate:refresh"] [] L3 Database "drops the database" "work on a copy";
    "svn" ["svn" "p4" "cvs" "bzr"] ["delete|rm|remove|del|commit|ci|copy|move|obliterate|submit|revert|import|switch"] [] L3 Publish "changes the repository that others use, or throws changes away" "let a person do it";
    "db-artisan" ["artisan"] ["migrate:fresh|migrate:reset|migrate:refresh|db:wipe|migrate:rollback"] [] L3 Database "drops all tables" "work on a copy";
    "db-ecto" ["mix"] ["ecto.drop|ecto.reset|ecto.rollback"] [] L3 Database "drops the database" "work on a copy";
    "db-alembic" ["alembic"] ["downgrade"] [] L3 Database "takes migrations back with their data" "work on a copy";
    "db-flyway" ["flyway"] ["**" "clean|undo"] [] L3 Database "drops everything in the schema" "work on a copy";
    "db-liquibase" ["liquibase"] ["**" "dropall|drop-all|rollback*"] [] L3 Database "drops everything in the schema" "work on a copy";
    "db-sequelize" ["sequelize" "sequelize-cli" "typeorm" "knex" "mikro-orm" "medusa"] ["db:drop|db:migrate:undo*|schema:drop|migrate:rollback|migration:revert|schema:fresh|migration:fresh|migration:down"] [] L3 Database "drops data of the database" "work on a copy";
    "db-drizzle" ["drizzle-kit"] ["push|drop"] ["--force" "--accept-data-loss" "drop"] L3 Database "drops data that does not fit" "`drizzle-kit generate`";
    "db-supabase" ["supabase"] ["db|projects|branches|functions|secrets" "reset|delete|push|unset"] [] L3 Database "resets or changes the database of a project" "work on the local one";
    "db-mongo" ["mongorestore"] [] ["--drop"] L3 Database "drops collections before it restores" "restore to another database";
    "db-restore" ["pg_restore"] [] ["-c" "--clean"] L3 Database "drops what is there before it restores" "restore to another database";
    "db-pscale" ["pscale" "turso" "neonctl" "neon" "planetscale"] ["**" "delete|destroy|drop|reset"] [] L3 Database "deletes a database" "let a person do it";
    "db-influx" ["influx" "clickhouse" "cqlsh" "cockroach"] ["**" "delete|drop|decommission"] [] L3 Database "deletes data" "let a person do it";

    // Publishing.
    "publish-package" ["npm" "pnpm" "yarn" "bun" "cargo" "poetry" "uv" "flit" "hatch" "pdm" "lerna" "vsce" "ovsx" "jsr" "deno" "semantic-release" "changeset" "clojure" "lein"] ["publish|npm|release|pub|deploy" "**"] ["publish" "release" "deploy" "pub"] L3 Publish "publishes a package" "`--dry-run`, and let a person publish";
    "publish-dart" ["dart" "flutter"] ["pub" "publish|token|login|logout|uploader"] [] L3 Publish "publishes a package" "`--dry-run`, and let a person publish";
    "publish-semantic" ["semantic-release" "np" "release-it" "goreleaser" "standard-version" "cargo-release"] [] [] L3 Publish "publishes a release" "`--dry-run`, and let a person publish";
    "publish-upload" ["twine"] ["upload"] [] L3 Publish "publishes a package" "let a person publish";
    "publish-gem" ["gem"] ["push|yank|owner"] [] L3 Publish "publishes or withdraws a package" "let a person publish";
    "publish-npm-owner" ["npm" "pnpm" "yarn"] ["unpublish|deprecate|adduser|login"] [] L3 Publish "changes a package or an account on the registry" "let a person do it";
    "network-registry" ["npm" "pnpm" "yarn" "cargo" "pip" "pip3" "gem" "bun"] ["view|info|show|search|index|outdated|audit" "**"] [] L2 Network "asks the registry of packages" "";
    "publish-npm-account" ["npm" "pnpm" "yarn"] ["owner|access|dist-tag|token|team|org" "*"] [] L3 Publish "changes a package or an account on the registry" "let a person do it";
    "publish-cargo" ["cargo"] ["yank|owner|login|logout"] [] L3 Publish "changes a package or an account on the registry" "let a person do it";
    "publish-nuget" ["dotnet" "nuget"] ["nuget|push|delete" "push|delete|*"] ["push" "delete"] L3 Publish "publishes or deletes a package" "let a person publish";
    "publish-mvn" ["mvn" "mvnw" "gradle" "gradlew" "sbt"] ["**" "deploy|release:*|publish*|uploadarchives|deploy:*"] [] L3 Publish "publishes artifacts" "`install`, which stays on this machine";
    "publish-image" ["docker" "podman" "nerdctl" "buildah" "skopeo" "crane" "oras"] ["push|copy" "**"] [] L3 Publish "publishes an image" "let a person push";
    "publish-image-build" ["docker" "podman"] ["build|buildx" "**"] ["--push"] L3 Publish "publishes an image" "build without `--push`";
    "publish-chart" ["helm"] ["push"] [] L3 Publish "publishes a chart" "let a person push";
    "publish-pod" ["pod" "fastlane" "eas"] ["trunk|deliver|pilot|release|supply|submit|upload_to*|beta"] [] L3 Publish "publishes an app" "let a person publish";

    "script-deploy" ["npm" "pnpm" "yarn" "bun" "make" "gmake" "just" "task" "invoke" "nx" "turbo" "rake" "gulp" "grunt" "mage"] ["run|run-script|deploy*|publish*|destroy*|drop*|nuke*|purge*" "**"] ["deploy*" "publish*" "destroy*" "nuke*" "purge*" "*:deploy*" "*:publish*" "*db:drop*" "*db:reset*" "drop-db" "db-drop" "db-reset" "db-wipe"] L3 Publish "its name says that it changes what others use" "let a person run it";

    "script-data-loss" ["npm" "pnpm" "yarn" "bun" "npx" "make" "just"] [] ["--force-reset" "--accept-data-loss"] L3 Database "drops data that does not fit" "work on a copy";

    // Packages of others.
    "install-url" ["npm" "pnpm" "yarn" "bun" "pip" "pip3" "uv" "pipx" "cargo" "go" "gem" "brew"] ["install|i|add|get|tap|pip" "**"] ["http:*" "https:*" "git+*" "git:*" "*://*" "--index-url" "--extra-index-url" "-i" "--registry" "--git" "--trusted-host"] L3 Install "installs code from a place that no registry checks" "install it from the registry, by name and version";
    "install-from" ["npm" "pnpm" "yarn" "bun" "pip" "pip3" "gem" "bundle" "composer" "poetry" "conda"] ["config|c|sources|source" "set|add|edit|delete" "**" "*registry*|*index-url*|*index_url*|*proxy*|*script-shell*|*cafile*|*strict-ssl*|*node-options*|*repositor*|*http*|*channels*|*trusted-host*"] [] L3 Persistence "changes from where packages come" "let a person do it";
    "install-from-set" ["npm" "pnpm" "yarn" "bun" "bundle"] ["set" "*registry*|*index-url*|*index_url*|*proxy*|*script-shell*|*cafile*|*strict-ssl*|*node-options*|*repositor*|*http*|*channels*|*trusted-host*"] [] L3 Persistence "changes from where packages come" "let a person do it";
    "install-npm" ["npm" "pnpm" "yarn" "bun"] ["install|i|ci|add|update|upgrade|dlx|exec|create|init|link|rebuild|up|x" "**"] [] L2 Install "installs packages, which may run scripts" "";
    "install-npx" ["npx" "pnpx" "bunx" "uvx" "pipx"] [] [] L2 Install "runs a package of the registry" "";
    "install-pip" ["pip" "pip3" "uv" "poetry" "pdm" "conda" "mamba" "pipenv"] ["install|add|sync|update|upgrade|pip|lock" "**"] [] L2 Install "installs packages, which may run scripts" "";
    "install-pip-remove" ["pip" "pip3"] ["uninstall"] [] L2 Install "removes packages" "";
    "install-cargo" ["cargo"] ["install|add|update|binstall|fetch" "**"] [] L2 Install "installs packages, which may run scripts" "";
    "install-go" ["go"] ["get|install|mod" "**"] [] L2 Install "installs packages" "";
    "install-gem" ["gem" "bundle" "composer" "mix" "brew" "nix-env" "sdk" "nvm" "rustup" "asdf" "mise" "volta" "fnm" "pyenv" "rbenv"] ["install|update|require|upgrade|deps.get|use|add|toolchain|target|component|reinstall|tap" "**"] [] L2 Install "installs packages" "";
    "install-system" ["apt" "apt-get" "aptitude" "dnf" "yum" "apk" "pacman" "zypper" "snap" "flatpak" "port" "choco" "winget" "scoop"] [] [] L2 Install "changes the packages of the machine" "";
    "remove-system" ["apt" "apt-get" "aptitude" "dnf" "yum" "apk" "zypper" "snap" "brew"] ["remove|purge|autoremove|erase|del|uninstall|dist-upgrade|full-upgrade" "**"] [] L3 Infra "removes packages of the machine" "let a person do it";
    "remove-other" ["pkg" "pkg_delete" "emerge" "port" "choco" "winget" "scoop" "flatpak" "snap" "equo" "xbps-remove" "opkg" "nix-env" "guix"] ["uninstall|remove|delete|deinstall|-c|unmerge" "**"] [] L3 Infra "removes packages of the machine" "let a person do it";
    "remove-dpkg" ["dpkg" "rpm" "nix-collect-garbage" "nix-store" "emerge" "nix-env"] [] ["-r" "-P" "-e" "--remove" "--purge" "--erase" "-d" "--delete-old" "--delete" "--gc" "-C" "--unmerge" "--uninstall"] L3 Infra "removes packages of the machine" "let a person do it";
    "remove-environment" ["conda" "mamba" "micromamba" "rustup" "pyenv" "nvm" "sdk" "rbenv" "asdf" "volta"] ["env|self|toolchain|uninstall|virtualenv-delete" "remove|uninstall|delete|*"] ["remove" "uninstall" "delete" "virtualenv-delete"] L3 Infra "removes tools or environments that other projects use" "let a person do it";
    "remove-pacman" ["pacman"] [] ["-R" "-Rns" "-Rs"] L3 Infra "removes packages of the machine" "let a person do it";

    // Agents without their guards, and orch itself.
    "agent-unguarded" ["claude" "codex" "gemini" "copilot" "opencode" "amp" "cursor-agent" "aider" "goose" "qwen"] [] ["--dangerously-skip-permissions" "--dangerously-bypass-approvals-and-sandbox" "--yolo" "-y" "--full-auto" "--allow-all-tools" "--allow-all" "--yes-always" "--force" "bypassPermissions" "--permission-mode=bypassPermissions" "danger-full-access"] L3 Guard "starts an agent without its guards" "start it as a step of a workflow";
    "orch-decide" ["orch"] ["approve|reject|trust|resume|retry|policy|pushback" "**"] [] L4 Guard "answers for a person" "leave the decision to a person";
    "orch-approval" ["orch"] ["run" "**"] ["--on-approval=approve" "approve" "--trust"] L4 Guard "answers for a person" "leave the decision to a person";
    "orch-audit" ["orch"] ["audit" "prune"] [] L4 Guard "shortens the log of what was done" "leave it to a person";
}
