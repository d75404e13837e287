//! Archives whose index says nothing of attributes and of the names of owners, as they were made before.

use std::{
    fs,
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{CreateOptions, diff, verify},
    cancel::Cancel,
};

use crate::archive::fixture::{Fixture, entries, may_give_away, write};

/// An archive of `f` and `d/g`, in hexadecimal digits; `f` has the attribute `user.note`.
const OLDER: &str = "\
    1f8b08000000000000ffecc8410e82301085e1ae3d452f5099915284a4b770e5860c74028960495bd0e39b68e2c2\
    b53126fa6dfe9737d3b5e947dfd2d80c4c8e83783f0000a3f5bd00f05ac0dc3cf7e347cccb52f4e2039698280800\
    f19b2a2d3b3f4d7c4ed6f1eae7a85aea4ecb9ca18c8942626777b0330a51e57040a8d1d445b92d406355ed411fe5\
    e063b2176e15cae897d0b1cd625833478936e2efcbdd000000ffffecd5bd0ac2301405e03bfb143e417af2ab8b93\
    4b0507c1c931d0e8d6429a621f5fa822a262a70421f996849bf170725945d101c04aebe904f07e4e77aeb9d0522a\
    759f1b2e0d694a60e883f504509e9a3fcd5f0855f24fa0a92e141b0018a57ee4af3ef29766454932c93cff70ed16\
    5464eb60c7dad9c6f9be3a5324b3fd97cfb7c79c43284323259079ffc57a79dcd6bbfd898d3604cf86de79d676c1\
    6d78f9173210adf42f30d7ff2ffb9f2b59f67f025deb4acf3376030000ffff621805a360148c5800000000ffff03\
    003fcc39e2001800001f8b08040000000000ff8c014449880100e4001bff050100b2b4eab00dfcf4b5f0019b0180\
    0818582293ba2ae8cfb7afcd903afb489049ed942e5f5a1fd8307b3e7afb412513482e6c1b3b0c113c1fd392df8a\
    837a8ec47f34cf9cdee1cc6b64f00a7004665f56be791fbc0180201e4cc21a099d52578a1cd870864793dcbe36df\
    8b5a77622a65819a18b422350a71a3f3c671524b96886760191d7fa4e59abd4b47628275a4a6858626cfdcb3435a\
    5eb0e90e80082eafb5efd6fd9de5bccf223f523b316c9cd1cf9a9d87ea42473d68e011dad13f09bf89172be01ee8\
    f8e006a1f8365e81c1fa7109fb0a551cec530b1deeb22f6b1916fb99000000ffff6260d4137ccbccc0d0f064ed54\
    5e06c64d5b5e6de03d7bf3d67dc6863fcc7726ea3130a66048b77dbc0896be3b518f91493f5d6009429e0545c13d\
    90fe34247966883cccfcfb13f500000000ffff004000bfffef40086ad8a395c7a05b5f70cf2575ad187f637ad813\
    136292cb39610694db73e0e63aa4c8e1ed796cb104d8a074e553c99fff18d140e886667013ef2780ae23000000ff\
    ff0300030000000000000000001f8b08040000000000ff6800444664000100000079010000000000008801000000\
    000000a301000000000000030000000000000004000000000000000018000000000000136f3cf2eb64daa6c7d188\
    7b72de5a03226ba2dc87cffaaccd5c08cbd3aa77f8756cfc37aa8c40eae2483019be6a7917030000000000000000\
    00";

fn older(fixture: &Fixture, name: &str) -> PathBuf {
    let digits = OLDER.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = digits.map(byte).collect();
    let path = fixture.path(name);
    write(&path, &bytes);
    path
}

#[test]
fn an_older_archive_is_read_whole_and_its_attributes_are_not_compared() {
    let fixture = Fixture::new();
    let archive = older(&fixture, "older.tar.gz");

    assert_eq!(verify(&archive, &Cancel::new(), &mut |_| {}).unwrap().notes, [""; 0]);
    assert_eq!(fixture.restore(&archive, "back").n_faults(), 0);
    assert_eq!(fs::read(fixture.path("back/d/g")).unwrap(), b"two\n");
    assert!(entries(&archive).iter().all(|entry| entry.uname.is_empty()));

    if !may_give_away() {
        return;
    }
    let options = CreateOptions { source: &fixture.path("back"), ..fixture.options() };
    let newer = fixture.create_with(&options).unwrap().path;
    for (first, second) in [(&archive, &newer), (&newer, &archive), (&archive, &archive)] {
        let compared = diff(first, second, &Cancel::new()).unwrap();
        assert_eq!(compared.notes.len(), 1);
        assert_eq!(compared.differences.into_keys().collect::<Vec<_>>(), [""; 0].map(Path::new));
    }
}
