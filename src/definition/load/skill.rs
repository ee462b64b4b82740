//! Skills, from the parts of a file in any dialect. Every file gives one.

use crate::{
    base::Span,
    definition::{
        Origin, Skill,
        load::{
            describe::{body, identifier, no_frontmatter, path_name},
            faults::Faults,
            files::Folder,
            parts::{Parts, What, parts},
            values::Values,
        },
    },
};

/// Reads a skill; its name is that of its folder where the frontmatter has none.
pub(super) fn skill(origin: &Origin, folder: &Folder, faults: &mut Faults) -> Option<Skill> {
    let parts = parts(&origin.source, What::Skill, faults);
    Some(skill_from(origin, &parts, folder, faults))
}

/// Reads a skill from the parts of its file.
pub(super) fn skill_from(origin: &Origin, parts: &Parts<'_>, _folder: &Folder, faults: &mut Faults) -> Skill {
    let mut values = Values { parts, source: &origin.source, faults, what: What::Skill };
    if !parts.has_frontmatter {
        no_frontmatter(&mut values, origin);
    }
    let display_name = values.display_name(origin);
    let name = identifier(&display_name, &path_name(&origin.path, What::Skill));
    let described = values.described(origin.dialect);
    let triggers = values.list_with_commas("triggers");
    let mut globs = values.list("paths");
    globs.extend(values.list("globs"));
    let allowed_tools = values.allowed_tools(origin.dialect);
    let meta = values.meta(display_name, described.when_to_use);
    Skill {
        name,
        description: described.description,
        triggers,
        globs,
        allowed_tools,
        meta,
        body: body(parts, &origin.source),
        origin: Origin { frontmatter: Span::new(parts.frontmatter.clone()), ..origin.clone() },
    }
}
