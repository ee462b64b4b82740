//! Agents, from the parts of a file in any dialect. Every file gives one.

use crate::{
    base::Span,
    definition::{
        Agent, Origin,
        load::{
            describe::{body, identifier, is_document, no_frontmatter, path_name},
            faults::Faults,
            files::Folder,
            names::is_name,
            node::Kind,
            parts::{Parts, What, parts},
            permissions::agent_permissions,
            values::Values,
        },
    },
};

/// Reads an agent. `None` means that the file is a document.
pub(super) fn agent(origin: &Origin, folder: &Folder, faults: &mut Faults) -> Option<Agent> {
    let parts = parts(&origin.source, What::Agent, faults);
    if !parts.has_frontmatter && is_document(&origin.path) {
        return None;
    }
    Some(agent_from(origin, &parts, folder, faults))
}

/// Reads an agent from the parts of its file.
pub(super) fn agent_from(origin: &Origin, parts: &Parts<'_>, _folder: &Folder, faults: &mut Faults) -> Agent {
    let mut values = Values { parts, source: &origin.source, faults, what: What::Agent };
    if !parts.has_frontmatter {
        no_frontmatter(&mut values, origin);
    }
    let display_name = values.display_name(origin);
    let name = identifier(&display_name, &path_name(&origin.path, What::Agent));
    let described = values.described(origin.dialect);
    let servers = values.servers(&origin.source);
    let mut tools = values.agent_tools(origin.dialect, &servers);
    let model = model(&mut values);
    let runtime = runtime(&mut values);
    let skills = values.list("skills");
    let constraints = values.sentences("constraints");
    let capabilities = values.list_with_commas("capabilities");
    let context_budget = values.count("context_budget");
    let meta = values.meta(display_name, described.when_to_use);
    let permissions = agent_permissions(&meta, &mut tools, values.faults);
    Agent {
        name,
        description: described.description,
        tools,
        permissions,
        model,
        runtime,
        skills,
        servers,
        constraints,
        capabilities,
        context_budget,
        meta,
        body: body(parts, &origin.source),
        origin: Origin { frontmatter: Span::new(parts.frontmatter.clone()), ..origin.clone() },
    }
}

/// The model: an alias, an id, `provider/id`; of a list the first one. `inherit` is none.
pub(super) fn model(values: &mut Values<'_, '_, '_>) -> Option<String> {
    let entry = values.entry("model")?;
    let model = match entry.value.kind() {
        Kind::List(items) => items.first().and_then(|item| item.as_text()).map(str::to_owned),
        Kind::Scalar { text, .. } => Some(text.trim().to_owned()),
        Kind::Map(_) | Kind::Shared(_) | Kind::Broken => None,
    };
    if model.is_none() {
        values.ignored(entry, "the name of a model");
    }
    model.filter(|model| !model.eq_ignore_ascii_case("inherit") && !model.is_empty())
}

fn runtime(values: &mut Values<'_, '_, '_>) -> Option<String> {
    let entry = values.entry("runtime")?;
    let name = entry.value.as_text().filter(|name| is_name(name)).map(str::to_owned);
    if name.is_none() {
        values.ignored(entry, "the name of a runtime, such as `claude`");
    }
    name
}
