//! What `newest` promises.

use newest::newest;

#[test]
fn a_higher_number_is_newer() {
    assert_eq!(newest(["v1.2.3", "v1.3.0", "v1.2.9"]), Some("v1.3.0"));
    assert_eq!(newest(["2.0.0", "1.9.9"]), Some("2.0.0"));
}

#[test]
fn the_v_does_not_matter() {
    assert_eq!(newest(["v1.0.0", "1.1.0"]), Some("1.1.0"));
    assert_eq!(newest(["v1.1.0", "1.0.0"]), Some("v1.1.0"));
}

#[test]
fn a_pre_release_is_older_than_its_release() {
    assert_eq!(newest(["v1.0.0", "v1.0.0-rc.2"]), Some("v1.0.0"));
    assert_eq!(newest(["v1.0.0-rc.1", "v1.0.0-rc.2"]), Some("v1.0.0-rc.2"));
}

#[test]
fn what_is_no_version_does_not_count() {
    assert_eq!(newest(["nightly", "v1", "v1.2", "v1.2.x"]), None);
    assert_eq!(newest(["nightly", "v0.1.0"]), Some("v0.1.0"));
}
